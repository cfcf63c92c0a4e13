import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { encodeCompileOptions } from "./compile-options.ts";

/** The part of XLA's messages that is written here, in their own words. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Computation { repeated int64 replica_device_ids = 1; }
  message DeviceAssignment {
    int32 replica_count = 1;
    int32 computation_count = 2;
    repeated Computation computation_devices = 3;
  }
  message Build {
    int64 device_ordinal = 1;
    int64 num_replicas = 4;
    int64 num_partitions = 5;
    bool use_spmd_partitioning = 6;
    DeviceAssignment device_assignment = 9;
    bool use_shardy_partitioner = 19;
  }
  message Override {
    oneof value { string string_field = 1; bool bool_field = 2; int64 int_field = 3; double double_field = 4; }
  }
  message Options { Build executable_build_options = 3; map<string, Override> env_option_overrides = 7; }
`);

function decoded(bytes: Uint8Array): unknown {
  const type = root.lookupType("Options");
  return type.toObject(type.decode(bytes), { longs: Number });
}

describe("encodeCompileOptions", () => {
  it("describes one device", () => {
    expect(decoded(encodeCompileOptions({ partitions: 1, devices: [3], usesShardy: false }))).toEqual({
      executableBuildOptions: {
        deviceOrdinal: -1,
        numReplicas: 1,
        numPartitions: 1,
        deviceAssignment: { replicaCount: 1, computationCount: 1, computationDevices: [{ replicaDeviceIds: [3] }] },
      },
    });
  });

  // Catches devices that are taken for replicas, which would each compute the whole.
  it("describes parts on several devices, and flags of every kind", () => {
    const flags = { xla_gpu_cuda_data_dir: "/a/é", xla_gpu_autotune_level: 300, xla_cpu_fast: true, effort: 0.5 };
    expect(decoded(encodeCompileOptions({ partitions: 2, devices: [0, 200], usesShardy: true, flags }))).toEqual({
      executableBuildOptions: {
        deviceOrdinal: -1,
        numReplicas: 1,
        numPartitions: 2,
        useSpmdPartitioning: true,
        deviceAssignment: {
          replicaCount: 1,
          computationCount: 2,
          computationDevices: [{ replicaDeviceIds: [0] }, { replicaDeviceIds: [200] }],
        },
        useShardyPartitioner: true,
      },
      envOptionOverrides: {
        xla_gpu_cuda_data_dir: { stringField: "/a/é" },
        xla_gpu_autotune_level: { intField: 300 },
        xla_cpu_fast: { boolField: true },
        effort: { doubleField: 0.5 },
      },
    });
  });
});

/** @file Names with values, as plugins take and give them. */

/** A value of a plugin's option or attribute; whole numbers are int64, others float, lists are of int64. */
export type NamedValue = string | boolean | number | readonly number[] | { readonly float: number };

/** Options of a plugin's client, by name. */
export type CreateOptions = Readonly<Record<string, NamedValue>>;

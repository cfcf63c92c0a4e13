/** The label of a row that `crossEntropy` leaves out, as PyTorch's and transformers' losses do. */
export const UNSCORED = -100;

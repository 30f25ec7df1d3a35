"""From parallel examples to the batch of any step: mixture, order, packing, batches.

The stage is arithmetic on NumPy arrays and imports no JAX. `parse_mixture` says how many examples
each language gives, `tokenize_corpus` encodes each language once, `plan_batches` joins the two
into a `BatchPlan`, whose `batch_at(step)` is a pure function.
"""

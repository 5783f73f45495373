"""Attention of decoder states over encoder states, with lengths: additive, multiplicative, location-aware.

Each layer answers queries `(batch, queries, query width)`, or one `(batch, query width)` as a decoder asks them step by
step, over `values` `(batch, steps, width)`. Steps at or after a row's length, or masked, get weight exactly 0; a row without a
true step gets no weight anywhere and the context 0. Weights are returned on request.

Masks are Keras's: those that values and queries carry (`Masking`, `Embedding(mask_zero=True)`) are read, and `mask=` may give
them, as in `keras.layers.Attention`. A masked query gets the context 0, and its mask goes on with the answer.

Convention: `(batch, steps, width)`; weights are `(batch, queries, steps)`, or `(batch, steps)` for one query. `keras` only.
Left out: several heads, dropout on weights, and keys other than values, which none of the three papers has.
"""

import keras
from keras import ops

from seqkit.layers import lengths as known


def attend(scores, values, true):
    """Softmax of scores over true steps, and the mean of values under it.

    Args:
        scores: `(batch, queries, steps)`.
        values: `(batch, steps, width)`.
        true: `(batch, steps)` bool or None, the true steps.

    Returns:
        `(context, weights)`, `(batch, queries, width)` and `(batch, queries, steps)`.
    """
    if true is None:
        weights = ops.softmax(scores, axis=-1)
    else:
        true = true[:, None, :]
        # Finite, so that a row without a true step has no 0 / 0; large beside any score a half float can hold.
        low = ops.cast(-3e4, scores.dtype)
        weights = ops.softmax(ops.where(true, scores, low), axis=-1) * ops.cast(true, scores.dtype)
    return ops.matmul(weights, values), weights


def _answer(query, true_queries, context, weights, return_weights):
    if true_queries is not None:
        context = ops.where(true_queries[..., None], context, ops.zeros_like(context))
    if len(query.shape) == 2:
        context, weights = context[:, 0], weights[:, 0]
    return (context, weights) if return_weights else context


def _inputs(query, values, lengths, mask, query_mask, values_mask):
    """Queries as `(batch, queries, width)`, which queries and which steps are true or None, all inputs checked."""
    if len(values.shape) != 3:
        raise ValueError(f"values must be (batch, steps, width). Received: values of shape {tuple(values.shape)}")
    if len(query.shape) not in (2, 3):
        received = f"Received: query of shape {tuple(query.shape)}"
        raise ValueError(f"query must be (batch, queries, width), or (batch, width) for one. {received}")
    if isinstance(mask, (list, tuple)):
        if len(mask) != 2:
            raise ValueError(f"mask must be one of values, or [that of query, that of values]. Received: {len(mask)} masks")
        query_mask, values_mask = mask
    elif mask is not None:
        values_mask = mask
    if values_mask is not None and len(values_mask.shape) != 2:
        received = f"Received: a mask of shape {tuple(values_mask.shape)}, values of shape {tuple(values.shape)}"
        raise ValueError(f"The mask of values must be (batch, steps). {received}")
    rows = known.rows(lengths, values_mask, values)
    queries = query[:, None, :] if len(query.shape) == 2 else query
    if query_mask is not None:
        query_mask = ops.reshape(ops.cast(query_mask, "bool"), ops.shape(queries)[:2])
    return queries, query_mask, None if rows is None else ops.cast(rows.mask, "bool")


def _queries_mask(layer, query, mask=None):
    """The mask of the answer, which is that of the queries: `compute_mask` of every layer here."""
    return mask[0] if isinstance(mask, (list, tuple)) else getattr(query, "_keras_mask", None)


def _traced(layer, *arguments, **call):
    """`compute_output_spec` of every layer here: by tracing, for there may be two outputs."""
    return keras.Operation.compute_output_spec(layer, *arguments, **call)


@keras.saving.register_keras_serializable("seqkit")
class AdditiveAttention(keras.layers.Layer):
    """score(q, v) = w . tanh(q Q + v V + b) (Bahdanau, Cho and Bengio 2015).

    Args:
        units: width of the space in which queries and values meet.

    Call arguments:
        query: `(batch, queries, query width)` or `(batch, query width)`.
        values: `(batch, steps, width)`.
        lengths: `(batch,)` int or None, the true steps of values. With a mask, both hold.
        mask: `(batch, steps)` bool of values, or `[mask of query, mask of values]`; in place of the two below.
        query_mask, values_mask: `(batch, queries)` and `(batch, steps)` bool; Keras fills them in from what inputs carry.
        return_weights: whether to return `(context, weights)` in place of the context.

    Raises:
        ValueError: wrong rank, of inputs or masks; lengths not `(batch,)` integers, negative, or over the steps.
    """

    def __init__(self, units, **rest):
        super().__init__(**rest)
        self.units = units

    def build(self, query_shape, values_shape):
        self.query_kernel = self.add_weight(shape=(query_shape[-1], self.units), name="query_kernel")
        self.value_kernel = self.add_weight(shape=(values_shape[-1], self.units), name="value_kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.scale = self.add_weight(shape=(self.units, 1), name="scale")

    compute_mask, compute_output_spec = _queries_mask, _traced

    def call(self, query, values, lengths=None, mask=None, query_mask=None, values_mask=None, return_weights=False):
        queries, true_queries, true = _inputs(query, values, lengths, mask, query_mask, values_mask)
        met = ops.matmul(queries, self.query_kernel)[:, :, None, :] + ops.matmul(values, self.value_kernel)[:, None, :, :]
        scores = ops.matmul(ops.tanh(met + self.bias), self.scale)[..., 0]
        return _answer(query, true_queries, *attend(scores, values, true), return_weights)

    def compute_output_shape(self, query_shape, values_shape):
        return (*query_shape[:-1], values_shape[-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("seqkit")
class MultiplicativeAttention(keras.layers.Layer):
    """score(q, v) = q W v, the "general" score (Luong, Pham and Manning 2015). Call arguments as `AdditiveAttention`."""

    def build(self, query_shape, values_shape):
        self.kernel = self.add_weight(shape=(query_shape[-1], values_shape[-1]), name="kernel")

    compute_mask, compute_output_spec = _queries_mask, _traced

    def call(self, query, values, lengths=None, mask=None, query_mask=None, values_mask=None, return_weights=False):
        queries, true_queries, true = _inputs(query, values, lengths, mask, query_mask, values_mask)
        scores = ops.matmul(ops.matmul(queries, self.kernel), ops.transpose(values, [0, 2, 1]))
        return _answer(query, true_queries, *attend(scores, values, true), return_weights)

    def compute_output_shape(self, query_shape, values_shape):
        return (*query_shape[:-1], values_shape[-1])


@keras.saving.register_keras_serializable("seqkit")
class LocationAttention(keras.layers.Layer):
    """score_s = w . tanh(q Q + v_s V + f_s L + b), f the convolved weights of the query before (Chorowski et al. 2015).

    It asks one query at a time, since each needs the weights of the one before.

    Args:
        units: width of the space in which query, values and locations meet.
        filters: filters of the convolution over the weights before.
        width: steps a filter sees, odd.

    Call arguments:
        query: `(batch, query width)`.
        values: `(batch, steps, width)`.
        previous: `(batch, steps)`, the weights of the query before; None for the first query: all weight on the first step.
        lengths: `(batch,)` int or None, the true steps of values. With a mask, both hold.
        mask: `(batch, steps)` bool of values, or `[mask of query, mask of values]`; in place of the two below.
        query_mask, values_mask: `(batch, queries)` and `(batch, steps)` bool; Keras fills them in from what inputs carry.
        return_weights: whether to return `(context, weights)` in place of the context.

    Raises:
        ValueError: wrong rank, of inputs or masks; even filter width; lengths not `(batch,)` integers, negative, or over the
            steps.
    """

    def __init__(self, units, filters=10, width=101, **rest):
        super().__init__(**rest)
        if width % 2 != 1:
            raise ValueError(f"width must be odd, so that a filter has a middle. Received: width={width}")
        self.units, self.filters, self.width = units, filters, width

    def build(self, query_shape, values_shape, previous_shape=None):
        self.query_kernel = self.add_weight(shape=(query_shape[-1], self.units), name="query_kernel")
        self.value_kernel = self.add_weight(shape=(values_shape[-1], self.units), name="value_kernel")
        self.filter_kernel = self.add_weight(shape=(self.width, 1, self.filters), name="filter_kernel")
        self.location_kernel = self.add_weight(shape=(self.filters, self.units), name="location_kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.scale = self.add_weight(shape=(self.units, 1), name="scale")

    compute_mask, compute_output_spec = _queries_mask, _traced

    def call(
        self, query, values, previous=None, lengths=None, mask=None, query_mask=None, values_mask=None, return_weights=False
    ):
        queries, true_queries, true = _inputs(query, values, lengths, mask, query_mask, values_mask)
        if len(query.shape) != 2:
            raise ValueError(f"query must be (batch, width), one at a time. Received: query of shape {tuple(query.shape)}")
        if previous is None:
            first = ops.arange(ops.shape(values)[1]) == 0
            previous = ops.zeros_like(values[:, :, 0]) + ops.cast(first, values.dtype)[None, :]
        located = ops.conv(previous[:, :, None], self.filter_kernel, padding="same", data_format="channels_last")
        met = ops.matmul(queries, self.query_kernel) + ops.matmul(values, self.value_kernel)
        met = met + ops.matmul(located, self.location_kernel) + self.bias
        scores = ops.matmul(ops.tanh(met), self.scale)[:, None, :, 0]
        return _answer(query, true_queries, *attend(scores, values, true), return_weights)

    def compute_output_shape(self, query_shape, values_shape, previous_shape=None):
        return (*query_shape[:-1], values_shape[-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units, "filters": self.filters, "width": self.width}

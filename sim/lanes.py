"""Vectors of ``LANES`` signed 32-bit integers for functions that numba compiles: one image in each lane.

Arithmetic is that of the processor's vector registers, modulo 2**32. A comparison gives -1 where it holds and 0 elsewhere, so ``&``, ``|``
and ``~`` join comparisons. Integers on the other side of an operator stand for a vector of equal lanes. Vectors live in compiled
functions only; in memory they are ``LANES`` elements one after the other.
"""

import operator

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model
from numba.np.arrayobj import make_array
from numba.np.numpy_support import from_dtype

__all__ = [
    "BITS",
    "LANES",
    "any_lane",
    "bits_of",
    "called",
    "choose",
    "inlined",
    "least",
    "load",
    "load_bits",
    "load_short",
    "most",
    "pointer",
    "spread",
    "store",
    "vectors",
]

#: Elements of a vector: those of a register of 512 bits.
LANES = 16
#: Unsigned integers with a bit for each lane, in memory.
BITS = np.dtype(f"uint{LANES}")

#: Decorators of functions that compiled ones alone call: Python cannot, and no machine code of theirs is kept.
called = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
inlined = njit(forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)

_INTEGER, _SHORT, _BITS = ir.IntType(32), ir.IntType(16), ir.IntType(LANES)
_VECTOR, _SHORTS = ir.VectorType(_INTEGER, LANES), ir.VectorType(_SHORT, LANES)


class _LanesType(types.Type):
    def __init__(self):
        super().__init__(name=f"Lanes{LANES}")


_lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


def _vector(builder, value, kind):
    """A vector as it is, an integer in every lane."""
    if kind is _lanes:
        return value
    if isinstance(kind, types.IntegerLiteral):
        return ir.Constant(_VECTOR, [kind.literal_value] * LANES)
    value = (
        builder.trunc(value, _INTEGER) if kind.bitwidth > _INTEGER.width else builder.sext(value, _INTEGER)
    )
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(_INTEGER, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_INTEGER, LANES), [0] * LANES))


def _binary(emit):
    """An intrinsic of two vectors or integers; ``emit`` makes its instructions."""

    @intrinsic
    def function(context, a, b):
        def generate(context, builder, signature, arguments):
            sides = zip(arguments, signature.args, strict=True)
            return emit(builder, *(_vector(builder, *side) for side in sides))

        return _lanes(a, b), generate

    return function


def _compared(relation):
    return _binary(lambda builder, a, b: builder.sext(builder.icmp_signed(relation, a, b), _VECTOR))


def _where(relation):
    return lambda builder, a, b: builder.select(builder.icmp_signed(relation, a, b), a, b)


#: The larger and the smaller of two, lane by lane.
most, least = _binary(_where(">")), _binary(_where("<"))

_add, _subtract = (
    _binary(lambda builder, a, b: builder.add(a, b)),
    _binary(lambda builder, a, b: builder.sub(a, b)),
)
_and, _or = (
    _binary(lambda builder, a, b: builder.and_(a, b)),
    _binary(lambda builder, a, b: builder.or_(a, b)),
)

_OPERATORS = {
    operator.add: _add,
    operator.iadd: _add,
    operator.sub: _subtract,
    operator.isub: _subtract,
    operator.and_: _and,
    operator.iand: _and,
    operator.or_: _or,
    operator.ior: _or,
    operator.xor: _binary(lambda builder, a, b: builder.xor(a, b)),
    operator.gt: _compared(">"),
    operator.lt: _compared("<"),
    operator.ge: _compared(">="),
    operator.le: _compared("<="),
    operator.eq: _compared("=="),
    operator.ne: _compared("!="),
}


def _overload(symbol, function):
    @overload(symbol)
    def on_lanes(a, b):
        if _lanes in (a, b):
            return lambda a, b: function(a, b)
        return None


for _symbol, _function in _OPERATORS.items():
    _overload(_symbol, _function)


@overload(operator.invert)
def _invert(a):
    if a is _lanes:
        return lambda a: a ^ -1
    return None


@intrinsic
def spread(context, value):
    """A vector of equal lanes."""

    def generate(context, builder, signature, arguments):
        return _vector(builder, arguments[0], signature.args[0])

    return _lanes(value), generate


@intrinsic
def choose(context, mask, a, b):
    """Lanes of ``a`` where the comparison ``mask`` holds, those of ``b`` elsewhere."""

    def generate(context, builder, signature, arguments):
        held = builder.icmp_signed("!=", arguments[0], ir.Constant(_VECTOR, [0] * LANES))
        sides = zip(arguments[1:], signature.args[1:], strict=True)
        return builder.select(held, *(_vector(builder, *side) for side in sides))

    return _lanes(mask, a, b), generate


@intrinsic
def any_lane(context, mask):
    """Whether a comparison holds anywhere."""

    def generate(context, builder, signature, arguments):
        held = builder.icmp_signed("!=", arguments[0], ir.Constant(_VECTOR, [0] * LANES))
        return builder.icmp_unsigned("!=", builder.bitcast(held, _BITS), ir.Constant(_BITS, 0))

    return types.boolean(mask), generate


def _address(builder, memory, index, element, vector):
    """Where vector number ``index`` lies."""
    first = builder.mul(index, ir.Constant(index.type, LANES))
    at = builder.gep(builder.bitcast(memory, element.as_pointer()), [first], source_etype=element)
    return builder.bitcast(at, vector.as_pointer())


@intrinsic
def load(context, memory, index):
    """Vector number ``index`` of 32-bit integers."""

    def generate(context, builder, signature, arguments):
        at = _address(builder, *arguments, _INTEGER, _VECTOR)
        return builder.load(at, align=4, typ=_VECTOR)

    return _lanes(memory, types.int64), generate


@intrinsic
def load_short(context, memory, index):
    """Vector number ``index`` of signed 16-bit integers."""

    def generate(context, builder, signature, arguments):
        at = _address(builder, *arguments, _SHORT, _SHORTS)
        return builder.sext(builder.load(at, align=2, typ=_SHORTS), _VECTOR)

    return _lanes(memory, types.int64), generate


@intrinsic
def store(context, memory, index, value):
    """Write a vector, or an integer into every lane, to vector number ``index``."""

    def generate(context, builder, signature, arguments):
        at = _address(builder, *arguments[:2], _INTEGER, _VECTOR)
        builder.store(_vector(builder, arguments[2], signature.args[2]), at, align=4)
        return context.get_dummy_value()

    return types.none(memory, types.int64, value), generate


@intrinsic
def bits_of(context, mask):
    """A comparison as an integer of type ``BITS``, a bit for each lane."""

    def generate(context, builder, signature, arguments):
        held = builder.icmp_signed("!=", arguments[0], ir.Constant(_VECTOR, [0] * LANES))
        return builder.bitcast(held, _BITS)

    return from_dtype(BITS)(mask), generate


@intrinsic
def load_bits(context, memory, index):
    """The comparison that is element ``index`` of an array of type ``BITS``."""

    def generate(context, builder, signature, arguments):
        at = builder.gep(arguments[0], [arguments[1]], source_etype=_BITS)
        held = builder.bitcast(builder.load(at, typ=_BITS), ir.VectorType(ir.IntType(1), LANES))
        return builder.sext(held, _VECTOR)

    return _lanes(memory, types.int64), generate


@intrinsic
def pointer(context, array):
    """Pointer to the elements of an array that lie one after the other.

    Unlike an array it has no count of references, which would be kept in every call, and no index from the end, which every access
    would ask for. So it does not keep the array alive: whoever made that must use it later, or hand it in from outside.
    """

    def generate(context, builder, signature, arguments):
        return make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@njit(cache=True, nogil=True)
def vectors(count):
    """int32 array [count, LANES] of zeros, no vector of which lies across two lines of the cache."""
    spare = np.zeros((count + 1) * LANES, np.int32)
    first = -spare.ctypes.data % (4 * LANES) // 4
    return spare[first : first + count * LANES].reshape(count, LANES)

"""The quantisers of the BNN-PYNQ networks: constant scale, symmetric, values within +-1.

1 bit: {-1, +1}, where 0 becomes +1. b > 1 bits: the 2**b - 1 multiples of 1 / (2**(b-1) - 1).
"""

from __future__ import annotations

from brevitas.core.bit_width import BitWidthImplType
from brevitas.core.quant import QuantType
from brevitas.core.restrict_val import FloatToIntImplType, RestrictValueType
from brevitas.core.scaling import ScalingImplType
from brevitas.core.zero_point import ZeroZeroPoint
from brevitas.inject import ExtendedInjector, value
from brevitas.quant.solver import ActQuantSolver, WeightQuantSolver


class _WithinOne(ExtendedInjector):  # type: ignore[misc]
    bit_width_impl_type = BitWidthImplType.CONST
    float_to_int_impl_type = FloatToIntImplType.ROUND
    narrow_range = True
    restrict_scaling_type = RestrictValueType.FP
    scaling_impl_type = ScalingImplType.CONST
    scaling_per_output_channel = False
    signed = True
    zero_point_impl = ZeroZeroPoint

    @value  # type: ignore[untyped-decorator]
    def quant_type(bit_width: int) -> QuantType:  # noqa: N805 - Brevitas injects by name
        return QuantType.BINARY if bit_width == 1 else QuantType.INT


class WeightQuantiser(_WithinOne, WeightQuantSolver):  # type: ignore[misc]
    """For weights. The gradient passes unchanged."""

    scaling_const = 1.0


class ActivationQuantiser(_WithinOne, ActQuantSolver):  # type: ignore[misc]
    """For activations and inputs. No gradient passes outside of the range."""

    min_val = -1.0
    max_val = 1.0

// SiLU of many scores. A GPU's multiprocessor makes 16 transcendental results a clock, an exponential and a reciprocal
// for each score by the textbook, while its tensor cores make that score in an eighth of a clock (128 elements a head,
// wgmma's rate): as much time again. So four scores share one reciprocal: 1 / a is b * (1 / (a b)), 1.25 results
// instead of 2.
#pragma once

#include "hstu/gpu/function.hpp"

namespace hstu::gpu {

/// x[i] / (1 + exp(-x[i])) for four numbers, within 2^-18 relative where x > -21 and 2^-30 |x| absolute below. A NaN
/// stays where it is.
template <class Block>
HSTU_KERNEL inline void silu_four(float& x0, float& x1, float& x2, float& x3)
{
  // exp(-x), at most 2^31, so that the product of four stays in range.
  const auto power = [](float x) {
    const float y = x * -1.44269504f;
    return Block::exp2(y < 31.0f ? y : 31.0f);
  };
  const float a = 1.0f + power(x0);
  const float b = 1.0f + power(x1);
  const float c = 1.0f + power(x2);
  const float d = 1.0f + power(x3);
  const float ab = a * b;
  const float cd = c * d;
  const float all = Block::reciprocal(ab * cd);
  const float of_ab = all * cd;
  const float of_cd = all * ab;
  x0 *= of_ab * b;
  x1 *= of_ab * a;
  x2 *= of_cd * d;
  x3 *= of_cd * c;
}

}  // namespace hstu::gpu

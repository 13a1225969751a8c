// Body of the elementwise_*.cpp files, which define HSTU_ELEMENTWISE as the name of their table and are compiled with
// different instruction sets. It uses no inline function of another header: the linker keeps one copy of such a
// function, and it must not be one that the machine cannot run.
#include "hstu/elementwise.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace hstu {
namespace {

#ifdef __AVX512F__

// 2^(j/32) * (1 + 5e-8)
alignas(64) constexpr float parts_of_two[32] = {
    1.00000005f, 1.0218972f, 1.04427384f, 1.06714046f, 1.09050779f, 1.1143868f,
    1.1387887f, 1.16372492f, 1.18920718f, 1.21524742f, 1.24185788f, 1.26905102f,
    1.29683962f, 1.32523671f, 1.35425562f, 1.38390996f, 1.41421364f, 1.44518088f,
    1.47682622f, 1.50916451f, 1.54221091f, 1.57598093f, 1.61049042f, 1.64575557f,
    1.68179292f, 1.71861939f, 1.75625225f, 1.79470917f, 1.83400818f, 1.87416773f,
    1.91520666f, 1.95714423f};

// x / (1 + exp(-x)) of 16 numbers, to about 3e-7 of itself above -1 and 1e-7 absolute below. The exponential is a power of two:
// its whole part, a table's 32nd part and a polynomial of degree 2 for the rest (5e-8 relative, fitted on [0, 1/32)). The
// division is one where the processor does 16 in few cycles (HSTU_DIVIDES), else a reciprocal of 14 bits and a step of Newton's,
// which is exact of what is at most 2^126. A NaN stays one.
inline __m512 silu_of(__m512 x)
{
  const auto all = [](float value) { return _mm512_set1_ps(value); };
  __m512 y = _mm512_mul_ps(x, all(-1.44269504088896341f));
#ifndef HSTU_DIVIDES
  y = _mm512_min_ps(all(126.0f), y);
#endif
  // The low bits of the sum count 32nd parts, rounded down as the rest is; far out any entry will do.
  const __m512 shifted = _mm512_add_round_ps(y, all(393216.0f), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);  // 1.5 * 2^18
  const __m512 part = _mm512_permutex2var_ps(_mm512_load_ps(parts_of_two), _mm512_castps_si512(shifted),
                                             _mm512_load_ps(parts_of_two + 16));
  const __m512 r = _mm512_reduce_ps(y, 5 << 4 | _MM_FROUND_TO_NEG_INF);
  __m512 p = _mm512_fmadd_ps(all(0.242840609f), r, all(0.693116526f));
  p = _mm512_fmadd_ps(p, r, all(1.0f));
  const __m512 below = _mm512_fmadd_ps(_mm512_scalef_ps(part, y), p, all(1.0f));
#ifdef HSTU_DIVIDES
  return _mm512_div_ps(x, below);
#else
  const __m512 guess = _mm512_rcp14_ps(below);
  return _mm512_mul_ps(_mm512_mul_ps(x, guess), _mm512_fnmadd_ps(below, guess, all(2.0f)));
#endif
}

// to[i] = silu(value(i, mask)), where value() loads up to 16 numbers.
template <class Value>
inline void silu_all(float* to, std::size_t count, Value value)
{
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) _mm512_storeu_ps(to + i, silu_of(value(i, static_cast<__mmask16>(0xffff))));
  if (i == count) return;
  const auto rest = static_cast<__mmask16>((1u << (count - i)) - 1);
  _mm512_mask_storeu_ps(to + i, rest, silu_of(value(i, rest)));
}

void silu(float* to, const float* from, std::size_t count)
{
  silu_all(to, count, [from](std::size_t i, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from + i); });
}

void silu_offset(float* values, float offset, std::size_t count)
{
  const __m512 add = _mm512_set1_ps(offset);
  silu_all(values, count, [values, add](std::size_t i, __mmask16 mask) {
    return _mm512_add_ps(_mm512_maskz_loadu_ps(mask, values + i), add);
  });
}

void silu_bias(float* values, const float* bias, std::size_t count)
{
  silu_all(values, count, [values, bias](std::size_t i, __mmask16 mask) {
    return _mm512_add_ps(_mm512_maskz_loadu_ps(mask, values + i), _mm512_maskz_loadu_ps(mask, bias + i));
  });
}

#else

// x / (1 + exp(-x)), to about 2e-7 relative. exp by Cody and Waite's reduction and the polynomial of Cephes' expf.
inline float silu_of(float x)
{
  float y = -x;
  y = y > 88.0f ? 88.0f : y;
  y = y < -87.0f ? -87.0f : y;
  const float shifted = y * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: the nearest integer in the low bits
  const float n = shifted - 12582912.0f;
  float r = y - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const unsigned power = (__builtin_bit_cast(unsigned, shifted) << 23) + 0x3f800000u;
  return x / (1.0f + p * __builtin_bit_cast(float, power));
}

void silu(float* to, const float* from, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = silu_of(from[i]);
}

void silu_offset(float* values, float offset, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) values[i] = silu_of(values[i] + offset);
}

void silu_bias(float* values, const float* bias, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) values[i] = silu_of(values[i] + bias[i]);
}

#endif

struct moments
{
  float mean;
  float factor;
};

inline moments moments_of(const float* from, float epsilon, std::size_t count)
{
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += from[i];
  const float mean = sum / static_cast<float>(count);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (std::size_t i = 0; i < count; ++i) squares += (from[i] - mean) * (from[i] - mean);
  return {mean, 1.0f / __builtin_sqrtf(squares / static_cast<float>(count) + epsilon)};
}

void normalise(float* to, const float* from, float epsilon, std::size_t count)
{
  const moments m = moments_of(from, epsilon, count);
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = (from[i] - m.mean) * m.factor;
}

void normalise_gated(float* to, const float* from, const float* gate, float epsilon, std::size_t count)
{
  const moments m = moments_of(from, epsilon, count);
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = (from[i] - m.mean) * m.factor * gate[i];
}

void add(float* to, const float* a, const float* b, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = a[i] + b[i];
}

void multiply(float* to, const float* a, const float* b, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = a[i] * b[i];
}

void add_scaled(float* to, const float* from, float factor, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

void scale(float* to, const float* from, float factor, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = factor * from[i];
}

float dot(const float* a, const float* b, std::size_t count)
{
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void fill(float* to, float value, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = value;
}

void fill_reversed(float* to, const float* from, float offset, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = *(from - i) + offset;
}

void copy_rows(float* to, const float* from, std::size_t from_stride, std::size_t rows, std::size_t count)
{
  for (std::size_t row = 0; row < rows; ++row, to += count, from += from_stride) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

// A cut NaN may have lost all that makes it one, so it gets a bit.
void round(std::uint16_t* to, const float* from, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned bits = __builtin_bit_cast(unsigned, from[i]);
    const unsigned nearest = bits + 0x7fffu + (bits >> 16 & 1u);
    to[i] = static_cast<std::uint16_t>((from[i] != from[i] ? bits | 0x400000u : nearest) >> 16);
  }
}

}  // namespace

const elementwise HSTU_ELEMENTWISE{silu,       silu_offset, silu_bias, normalise, normalise_gated, add,      multiply,
                                   add_scaled, scale,       dot,       fill,      fill_reversed,   copy_rows, round};

}  // namespace hstu

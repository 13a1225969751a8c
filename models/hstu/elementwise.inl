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

// x / (1 + exp(-x)) of 16 numbers, to about 3e-7 of itself above -1 and 1e-7 absolute below. The exponential is a power of two
// whose fraction goes through a polynomial of degree 5 (9e-8 relative, fitted on [-1/2, 1/2]); the division is a reciprocal
// of 14 bits and a step of Newton's: one of 512 bits takes as long as all the rest on many processors. A NaN stays one.
inline __m512 silu_of(__m512 x)
{
  const auto all = [](float value) { return _mm512_set1_ps(value); };
  // At most 2^126, so that the reciprocal is a normal number.
  const __m512 y = _mm512_min_ps(all(126.0f), _mm512_mul_ps(x, all(-1.44269504088896341f)));
  const __m512 n = _mm512_roundscale_ps(y, 0);
  const __m512 r = _mm512_sub_ps(y, n);
  __m512 p = _mm512_fmadd_ps(all(1.326472725e-03f), r, all(9.671512786e-03f));
  p = _mm512_fmadd_ps(p, r, all(5.550733744e-02f));
  p = _mm512_fmadd_ps(p, r, all(2.402224208e-01f));
  p = _mm512_fmadd_ps(p, r, all(6.931469776e-01f));
  p = _mm512_fmadd_ps(p, r, all(1.0f));
  const __m512 below = _mm512_add_ps(all(1.0f), _mm512_scalef_ps(p, n));
  const __m512 guess = _mm512_rcp14_ps(below);
  return _mm512_mul_ps(x, _mm512_mul_ps(guess, _mm512_fnmadd_ps(below, guess, all(2.0f))));
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

}  // namespace

const elementwise HSTU_ELEMENTWISE{silu,       silu_offset, silu_bias, normalise, normalise_gated, add,      multiply,
                                   add_scaled, scale,       dot,       fill,      fill_reversed,   copy_rows};

}  // namespace hstu

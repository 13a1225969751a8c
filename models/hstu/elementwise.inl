// Body of the elementwise_*.cpp files, which define HSTU_ELEMENTWISE as the name of their table and are compiled with
// different instruction sets. It uses no inline function of another header: the linker keeps one copy of such a
// function, and it must not be one that the machine cannot run.
#include "hstu/elementwise.hpp"

namespace hstu {
namespace {

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

const elementwise HSTU_ELEMENTWISE{silu,     silu_offset, silu_bias, normalise, normalise_gated, add,      multiply,
                                   add_scaled, scale,     dot,       fill,      fill_reversed,   copy_rows};

}  // namespace hstu

// What every position policy must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my positions") { kvstrata_test::position_conformance(my_policy{}); }
//
// First in whole numbers, then on keys: kept, copied and read they must be the keys that are encoded where they stand, within
// the stated bound, in every element that can be turned, and a page that others read must not change.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/codec/values.hpp>
#include <kvstrata/position/concepts.hpp>
#include <kvstrata/position/rotary.hpp>
#include <kvstrata/position/turn_keys.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace kvstrata_test {

template <kvstrata::element_type E>
std::vector<std::byte> elements_of(const std::vector<double>& values)
{
  using value = kvstrata::codec::element_bits<E>;
  std::vector<std::byte> out(values.size() * sizeof(typename value::bits));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto bits = value::from_f32(static_cast<float>(values[i]));
    std::memcpy(out.data() + i * sizeof bits, &bits, sizeof bits);
  }
  return out;
}

template <kvstrata::element_type E>
double element_at(const std::vector<std::byte>& row, std::size_t i)
{
  using value = kvstrata::codec::element_bits<E>;
  typename value::bits bits{};
  std::memcpy(&bits, row.data() + i * sizeof bits, sizeof bits);
  return static_cast<double>(value::to_f32(bits));
}

/// One row of K of `heads` heads, turned in double precision.
inline std::vector<double> turned_exactly(std::vector<double> row, std::uint32_t head_dim, double base,
                                          std::int64_t positions)
{
  const std::size_t half = head_dim / 2;
  for (std::size_t head = 0; head < row.size(); head += head_dim) {
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(positions) * std::pow(base, -2.0 * static_cast<double>(i) / head_dim);
      const double x = row[head + i], y = row[head + half + i];
      row[head + i] = x * std::cos(angle) - y * std::sin(angle);
      row[head + half + i] = x * std::sin(angle) + y * std::cos(angle);
    }
  }
  return row;
}

/// The farthest that a number of a key is from the key encoded at its position, in lengths of its pair.
template <kvstrata::element_type E, kvstrata::position_policy P>
double farthest_key(const P& policy, kvstrata::token_count token, kvstrata::token_count start, std::mt19937_64& random)
{
  using namespace kvstrata;
  constexpr std::uint32_t heads = 2, dim = 16;
  const geometry shape{.layers = 1, .kv_heads = heads, .head_dim = dim, .element = E};
  check_turned(shape);
  const rotary by(dim);
  std::vector<double> raw(heads * dim);
  std::uniform_real_distribution<double> any(-3, 3);
  for (double& v : raw) v = any(random);

  turn_angles angles;
  const auto turn = [&](const std::vector<std::byte>& from, turn_by positions) {
    std::vector<std::byte> to = from;
    if (positions == 0) return to;
    angles.set(by, positions);
    turn_keys(shape, from.data(), to.data(), 1, angles.cosines.data(), angles.sines.data());
    return to;
  };
  // The model's K is f32: turned before it is rounded, as a model does it.
  const geometry as_computed{.layers = 1, .kv_heads = heads, .head_dim = dim, .element = element_type::f32};
  std::vector<std::byte> computed = elements_of<element_type::f32>(raw);
  if (policy.kept(token) != 0) {
    angles.set(by, policy.kept(token));
    turn_keys(as_computed, computed.data(), computed.data(), 1, angles.cosines.data(), angles.sines.data());
  }
  std::vector<double> kept(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) kept[i] = element_at<element_type::f32>(computed, i);
  const std::vector<std::byte> page = elements_of<E>(kept);
  const std::vector<std::byte> before = page;
  const std::vector<std::byte> copied = turn(page, policy.copied(start));
  const std::vector<std::byte> read = turn(copied, policy.read(start + token));
  REQUIRE(page == before);

  const auto encoded =
      elements_of<E>(turned_exactly(raw, dim, 10'000, P::encodes ? std::int64_t{start} + token : std::int64_t{0}));
  double most = 0;
  for (std::size_t head = 0; head < raw.size(); head += dim) {
    for (std::size_t i = 0; i < dim / 2; ++i) {
      const std::size_t x = head + i, y = head + dim / 2 + i;
      const double length = std::hypot(raw[x], raw[y]);
      most = std::max(most, std::abs(element_at<E>(read, x) - element_at<E>(encoded, x)) / length);
      most = std::max(most, std::abs(element_at<E>(read, y) - element_at<E>(encoded, y)) / length);
    }
  }
  return most;
}

template <kvstrata::position_policy P>
void position_conformance(const P& policy)
{
  using namespace kvstrata;
  const token_count starts[] = {0, 1, 7, 16, 100, 4095, 131'072, most_positions - 300};
  const token_count tokens[] = {0, 1, 15, 16, 199};
  for (const token_count start : starts) {
    REQUIRE(is_copied(policy, start) == (policy.copied(start) != 0));
    for (const token_count token : tokens) {
      const turn_by all = policy.kept(token) + policy.copied(start) + policy.read(start + token);
      REQUIRE(all == (P::encodes ? turn_by{start} + token : turn_by{0}));
      if (!P::turns_reads) REQUIRE(policy.read(start + token) == 0);
      if (!P::encodes) {
        REQUIRE(policy.kept(token) == 0);
        REQUIRE(policy.copied(start) == 0);
      }
    }
  }

  std::mt19937_64 random(11);
  for (const token_count start : starts) {
    for (const token_count token : tokens) {
      for (int i = 0; i < 4; ++i) {
        REQUIRE(farthest_key<element_type::f32>(policy, token, start, random) <= turn_bound(element_type::f32));
        REQUIRE(farthest_key<element_type::bf16>(policy, token, start, random) <= turn_bound(element_type::bf16));
        REQUIRE(farthest_key<element_type::f16>(policy, token, start, random) <= turn_bound(element_type::f16));
      }
    }
  }
}

}  // namespace kvstrata_test

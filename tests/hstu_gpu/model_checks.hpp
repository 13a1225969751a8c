// What a model on a device must do, whatever the device: a test file of a few lines runs it on its own machine.
#pragma once

#include "hstu_gpu/model_bed.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <optional>

namespace hstu_gpu_test {

// Relative error norms. Every step rounds to bf16 (2^-9 relative), which is noise of some 0.2 % a rounding and 0.5 %
// after a few layers of four.
inline constexpr double near_reference = 0.02;   // from double precision with the same weights
inline constexpr double near_each_other = 0.02;  // from the same kernels with other tokens in the pages

template <class Machine>
using pages_on = device_pages<typename Machine::runner::device_type>;

/// One full pass in double precision over a user's whole history; windows are those of hstu_test::reference.
inline hstu_test::reference_result whole_pass(const hstu::config& c, user u, const std::vector<std::uint32_t>& windows)
{
  u.first_token = 0;
  return hstu_test::reference(c, rounded_weights(c), u.request(), windows);
}

/// One user, all of their window computed: scores and K and V against double precision.
template <class Machine>
void check_reference(generator& random, const hstu::config& c, const user& u, kvstrata::token_count page_tokens)
{
  INFO("layers " << c.layers << " hidden " << c.hidden << " heads " << c.heads << " x " << c.head_dim << " history "
                 << u.history << " candidates " << u.candidates.size() << " page " << page_tokens
                 << " position buckets " << c.position_buckets << " time buckets " << c.time_buckets << " first token "
                 << u.first_token);
  const hstu_test::reference_result expected =
      whole_pass(c, u, std::vector<std::uint32_t>(u.history + 1, u.first_token));
  model_bed<Machine> bed(c);
  const kvstrata::token_interval window[] = {{u.first_token, u.history}};
  pages_on<Machine> memory(random, bed.device(), bed.stream, bed.model.shape(), page_tokens, window);
  const hstu::request batch[] = {u.request()};
  const std::vector<float> scores = bed.run(batch, memory.view());

  std::vector<double> wanted;
  for (const auto& row : expected.scores) wanted.insert(wanted.end(), row.begin(), row.end());
  CHECK(relative_error(scores, wanted) < near_reference);
  const std::vector<std::byte> written = memory.read();
  for (kvstrata::layer_index l = 0; l < c.layers && u.history != 0; ++l) {
    for (const bool value : {false, true}) {
      std::vector<float> found;
      wanted.clear();
      for (kvstrata::token_count t = u.first_token; t < u.history; ++t) {
        const std::vector<float> row = memory.row(written, l, 0, t, value);
        found.insert(found.end(), row.begin(), row.end());
        const std::vector<double>& right = value ? expected.values[l][t] : expected.keys[l][t];
        wanted.insert(wanted.end(), right.begin(), right.end());
      }
      INFO("layer " << l << (value ? " V" : " K"));
      CHECK(relative_error(found, wanted) < near_reference);
    }
  }
}

/// A window that moves: what was computed in the first one stays as it was, the rest sees the second one alone.
template <class Machine>
void check_moved_window(generator& random, const hstu::config& c, user u, kvstrata::token_count first,
                        kvstrata::token_count cached, kvstrata::token_count page_tokens)
{
  INFO("from " << first << " to " << u.first_token << ", cached up to " << cached << " of " << u.history
               << ", pages of " << page_tokens);
  model_bed<Machine> bed(c);
  const kvstrata::token_interval whole[] = {{first, u.history}};
  pages_on<Machine> memory(random, bed.device(), bed.stream, bed.model.shape(), page_tokens, whole);
  user before = u;
  before.first_token = first;
  before.compute = {{first, cached}};
  before.history = cached;
  kvstrata::page_table table;
  const hstu::request earlier[] = {before.request()};
  static_cast<void>(bed.run(earlier, memory.view()));
  u.compute = {{cached, u.history}};
  const hstu::request later[] = {u.request()};
  const std::vector<float> scores = bed.run(later, memory.view_from(table, u.first_token));

  std::vector<std::uint32_t> windows(u.history + 1, u.first_token);
  std::fill_n(windows.begin(), cached, first);
  std::vector<double> wanted;
  for (const auto& row : whole_pass(c, u, windows).scores) wanted.insert(wanted.end(), row.begin(), row.end());
  CHECK(relative_error(scores, wanted) < near_reference);
}

/// Bytes that a pass may not write: all but those of the tokens in its compute lists.
template <class Machine>
std::vector<std::byte> without_computed(const pages_on<Machine>& memory, std::vector<std::byte> all,
                                        const hstu::config& c, const std::vector<user>& users)
{
  const std::size_t row = std::size_t{c.heads} * c.head_dim * sizeof(bf16);
  for (std::size_t i = 0; i < users.size(); ++i) {
    for (const kvstrata::token_interval piece : users[i].compute) {
      for (kvstrata::token_count t = piece.begin; t < piece.end; ++t) {
        for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
          for (const bool value : {false, true}) {
            std::fill_n(all.begin() + static_cast<std::ptrdiff_t>(memory.offset(l, i, t, value)), row, std::byte{0});
          }
        }
      }
    }
  }
  return all;
}

/// Batches of any users: what is computed again over what is there gives the same answer, and no other byte changes.
template <class Machine>
void check_compute_lists(generator& random, const hstu::config& c, const std::vector<user>& whole,
                         kvstrata::token_count page_tokens)
{
  model_bed<Machine> bed(c);
  pages_on<Machine> memory(random, bed.device(), bed.stream, bed.model.shape(), page_tokens, windows_of(whole));
  const std::vector<float> full = bed.run(requests_of(whole), memory.view());
  const std::vector<std::byte> written = memory.read();
  for (const hstu::fronts how : {hstu::fronts::together, hstu::fronts::apart}) {
    std::vector<user> users = whole;
    for (user& u : users) {
      const kvstrata::token_count window = u.history - u.first_token;
      u.compute = window == 0 ? kvstrata::interval_list{} : hstu_test::random_intervals(random, window);
      for (kvstrata::token_interval& piece : u.compute) {
        piece = {piece.begin + u.first_token, piece.end + u.first_token};
      }
    }
    // What is to be computed is NaN before.
    std::vector<std::byte> holes = written;
    const std::vector<std::byte> kept = without_computed<Machine>(memory, written, c, users);
    const std::vector<std::byte> ones =
        without_computed<Machine>(memory, std::vector<std::byte>(written.size(), std::byte{1}), c, users);
    for (std::size_t i = 0; i < holes.size(); ++i) {
      if (ones[i] == std::byte{0}) holes[i] = std::byte{0xFF};
    }
    memory.write(holes);
    const std::vector<float> scores = bed.run(requests_of(users), memory.view(), how);
    const std::vector<std::byte> after = memory.read();
    CHECK(without_computed<Machine>(memory, after, c, users) == kept);
    if constexpr (Machine::bitwise) {
      CHECK(scores == full);
      CHECK(after == written);
    } else {
      CHECK(relative_error(scores, full) < near_each_other);
    }
    for (std::size_t i = 0; i < users.size(); ++i) {
      for (const bool value : {false, true}) {
        for (kvstrata::layer_index l = 0; l < c.layers && users[i].history != 0; ++l) {
          std::vector<float> now, then;
          for (kvstrata::token_count t = users[i].first_token; t < users[i].history; ++t) {
            const auto a = memory.row(after, l, i, t, value);
            const auto b = memory.row(written, l, i, t, value);
            now.insert(now.end(), a.begin(), a.end());
            then.insert(then.end(), b.begin(), b.end());
          }
          CHECK(relative_error(now, then) < near_each_other);
        }
      }
    }
  }
}

/// Windows that begin inside a page, in batches with others.
inline std::vector<user> with_windows(std::vector<user> users, const std::vector<kvstrata::token_count>& first_tokens)
{
  for (std::size_t i = 0; i < users.size(); ++i) {
    users[i].first_token = first_tokens[i];
    users[i].compute = {{users[i].first_token, users[i].history}};
  }
  return users;
}

inline std::vector<user> users_of(generator& random, const std::vector<kvstrata::token_count>& lengths,
                                  std::uint32_t most_candidates)
{
  std::vector<user> out;
  for (const kvstrata::token_count tokens : lengths)
    out.emplace_back(random, tokens, below(random, most_candidates + 1));
  return out;
}

}  // namespace hstu_gpu_test

// What a user's history says, token by token, and what fingerprints tell of it.
#pragma once

#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace kvstrata_test {

/// splitmix64's finalizer over several numbers.
[[nodiscard]] constexpr std::uint64_t mix(std::initializer_list<std::uint64_t> parts) noexcept
{
  std::uint64_t x = 0x243F6A8885A308D3U;
  for (const std::uint64_t part : parts) {
    x += 0x9E3779B97F4A7C15U * (part + 1);
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    x ^= x >> 31U;
  }
  return x;
}

class story
{
 public:
  /// Of token `token`; what was never told before is made up, and differs from all that was ever told.
  [[nodiscard]] std::uint64_t content(kvstrata::token_count token)
  {
    while (tokens_.size() <= token) tokens_.push_back(++told());
    return tokens_[token];
  }
  /// From now on the tokens from `from` on are others.
  void rewrite(kvstrata::token_count from)
  {
    if (from < tokens_.size()) tokens_.resize(from);
  }

  /// Of the prefixes of `tokens` tokens, as history_fingerprint wants them.
  [[nodiscard]] std::vector<std::uint64_t> prefixes(kvstrata::token_count stride, kvstrata::token_count tokens)
  {
    std::vector<std::uint64_t> out;
    std::uint64_t hash = 1;
    for (kvstrata::token_count t = 0; t < tokens; ++t) {
      hash = mix({hash, content(t)});
      if ((t + 1) % stride == 0) out.push_back(hash);
    }
    return out;
  }
  /// Of the whole stretches of a window, as stretch_fingerprint wants them.
  [[nodiscard]] std::vector<std::uint64_t> stretches(kvstrata::token_count stride, kvstrata::token_interval window)
  {
    std::vector<std::uint64_t> out;
    for (kvstrata::token_count begin = (window.begin + stride - 1) / stride * stride; begin + stride <= window.end;
         begin += stride) {
      std::uint64_t hash = 2;
      for (kvstrata::token_count t = begin; t < begin + stride; ++t) hash = mix({hash, content(t)});
      out.push_back(hash);
    }
    return out;
  }

 private:
  static std::uint64_t& told()
  {
    static thread_local std::uint64_t count = 0;
    return count;
  }

  std::vector<std::uint64_t> tokens_;
};

/// What a cache is to know of a user's fingerprints: the newest prefix and the newest stretches that were committed.
struct naive_vouchers
{
  kvstrata::token_count prefix = 0;  ///< tokens
  std::uint64_t prefix_hash = 0;
  kvstrata::token_count stride = 0;
  kvstrata::token_count first = 0;  ///< stretch
  std::vector<std::uint64_t> hashes;

  /// What a request vouches for, of which `most` stretches are kept.
  [[nodiscard]] static naive_vouchers of(const kvstrata::request& r, std::size_t most)
  {
    naive_vouchers out;
    const kvstrata::token_count end =
        r.history_tokens - std::min(r.volatile_tail, r.history_tokens - r.first_token);  // that is kept
    if (const auto stride = r.fingerprint.stride; stride != 0 && end >= stride) {
      out.prefix = end / stride * stride;
      out.prefix_hash = r.fingerprint.prefix_hashes[end / stride - 1];
    }
    out.stride = r.stretches.stride;
    if (out.stride == 0) return out;
    out.first = (r.first_token + out.stride - 1) / out.stride;
    for (kvstrata::token_count s = out.first; (s + 1) * out.stride <= end; ++s) {
      out.hashes.push_back(r.stretches.hashes[s - (r.first_token + out.stride - 1) / out.stride]);
    }
    while (out.hashes.size() > most) {
      out.hashes.erase(out.hashes.begin());
      ++out.first;
    }
    return out;
  }

  [[nodiscard]] std::uint64_t reach() const { return (std::uint64_t{first} + hashes.size()) * stride; }

  /// Whoever says more than this takes its place.
  void learn(const naive_vouchers& newer)
  {
    if (newer.prefix > prefix) {
      prefix = newer.prefix;
      prefix_hash = newer.prefix_hash;
    }
    if (!newer.hashes.empty() && (hashes.empty() || newer.reach() >= reach())) {
      stride = newer.stride;
      first = newer.first;
      hashes = newer.hashes;
    }
  }
  /// Has a request a hash of the same prefix?
  [[nodiscard]] bool compares_prefix(const kvstrata::request& r) const
  {
    const auto s = r.fingerprint.stride;
    return s != 0 && prefix != 0 && prefix <= r.history_tokens && prefix % s == 0;
  }
  /// Of a stretch?
  [[nodiscard]] bool compares_stretches(const kvstrata::request& r) const
  {
    if (r.stretches.stride == 0 || r.stretches.stride != stride) return false;
    for (kvstrata::token_count s = first; s < first + hashes.size(); ++s) {
      if (s * stride >= r.first_token && (s + 1) * stride <= r.history_tokens) return true;
    }
    return false;
  }
  /// It has hashes, and so has this, but none that could be compared: of prefixes, where both have such.
  [[nodiscard]] bool unproven(const kvstrata::request& r) const
  {
    if (!has_fingerprint(r) || (prefix == 0 && hashes.empty())) return false;
    return r.fingerprint.stride != 0 && prefix != 0 ? !compares_prefix(r) : !compares_stretches(r);
  }

  /// A request leaves rows before `end` alone. `gone`: it does not go on with what was there, or nothing is left. What it
  /// compares it takes over; what it cannot compare is as true of the rest as it was of all.
  void cut(const kvstrata::request& r, kvstrata::token_count end, bool gone, std::size_t most)
  {
    if (end <= r.first_token) end = 0;
    kvstrata::request until = r;
    until.history_tokens = std::min(end, r.history_tokens);
    until.volatile_tail = 0;
    const naive_vouchers own = end == 0 ? naive_vouchers{} : of(until, most);
    if (prefix > end && (gone || compares_prefix(r))) {
      const bool takes_over = compares_prefix(r);
      prefix = takes_over ? own.prefix : 0;
      prefix_hash = takes_over ? own.prefix_hash : 0;
    }
    if (!hashes.empty() && reach() > end && (gone || compares_stretches(r))) {
      const bool takes_over = compares_stretches(r);
      hashes = takes_over ? own.hashes : std::vector<std::uint64_t>{};
      first = own.first;
    }
  }

  /// Up to where a request agrees with this: all ones when it does not contradict.
  [[nodiscard]] kvstrata::token_count agreed_until(const kvstrata::request& r) const
  {
    constexpr kvstrata::token_count all = ~kvstrata::token_count{0};
    if (compares_prefix(r) && r.fingerprint.prefix_hashes[prefix / r.fingerprint.stride - 1] != prefix_hash) return 0;
    if (r.stretches.stride == 0 || r.stretches.stride != stride) return all;
    const kvstrata::token_count told = (r.first_token + stride - 1) / stride;
    bool agreed = false;
    for (kvstrata::token_count s = first; s < first + hashes.size(); ++s) {
      if (s < told || (s + 1) * stride > r.history_tokens) continue;
      if (r.stretches.hashes[s - told] != hashes[s - first]) return agreed ? s * stride : 0;
      agreed = true;
    }
    return all;
  }
};

}  // namespace kvstrata_test

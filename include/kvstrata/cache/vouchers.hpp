// What the fingerprints of a batch vouch for, from the call that shows them until a commit takes their word.
#pragma once

#include <kvstrata/cache/request.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata {

/// Throws config_error when a user's hashes would be more than anybody keeps.
inline void check_kept_stretches(std::uint32_t most)
{
  constexpr std::uint32_t limit = 65'536;
  if (most > limit) throw config_error("kept_stretches", most, "it may be at most " + std::to_string(limit));
}

/// Reused from batch to batch, so that it does not allocate in steady state; requests without fingerprints leave nothing
/// here. Not synchronised.
template <class Entry>
class vouchers
{
 public:
  void clear() noexcept
  {
    all_.clear();
    hashes_.clear();
  }

  /// Of a request that has a fingerprint, what a commit keeps of it: the newest prefix, and the newest `most` stretches.
  /// Returns how many stretches those are.
  std::size_t add(const request& r, Entry& e, std::size_t most)
  {
    const token_interval lasting = lasting_tokens(r);
    voucher& out = all_.emplace_back();
    out.who = &e;
    const history_fingerprint& f = r.fingerprint;
    if (const token_count strides = f.stride == 0 ? 0 : lasting.end / f.stride; strides != 0) {
      out.prefix = {strides * f.stride, f.prefix_hashes[strides - 1]};
    }
    if (r.stretches.stride == 0) return 0;
    const token_interval told = whole_stretches(lasting, r.stretches.stride);
    const std::size_t count = (std::min)(std::size_t{told.size()}, most);
    const auto newest = r.stretches.hashes.subspan(told.size() - count, count);
    out.stride = r.stretches.stride;
    out.end = told.end;
    out.first = hashes_.size();
    hashes_.insert(hashes_.end(), newest.begin(), newest.end());
    out.last = hashes_.size();
    return count;
  }

  /// The requests of those users were committed for whom is_kept(entry). Who vouches for less than is vouched for already
  /// adds nothing. The entries must have room for the hashes.
  template <class IsKept>
  void commit(IsKept&& is_kept) const noexcept
  {
    const auto reach = [](std::uint64_t stretches, token_count stride) { return stretches * stride; };
    for (const voucher& v : all_) {
      if (!is_kept(*v.who)) continue;
      if (v.prefix.tokens > v.who->vouched.tokens) v.who->vouched = v.prefix;
      auto& known = v.who->stretches;
      if (v.first == v.last) continue;
      if (!known.hashes.empty() && reach(v.end, v.stride) < reach(known.end, known.stride)) continue;
      known.stride = v.stride;
      known.end = v.end;
      known.hashes.assign(hashes_.begin() + static_cast<std::ptrdiff_t>(v.first),
                          hashes_.begin() + static_cast<std::ptrdiff_t>(v.last));
    }
  }

  /// What an entry knows of tokens from `until` on is not true any more.
  static void withdraw(Entry& e, token_count until) noexcept
  {
    if (until < e.vouched.tokens) e.vouched = {};
    auto& known = e.stretches;
    for (; !known.hashes.empty() && std::uint64_t{known.end} * known.stride > until; --known.end) {
      known.hashes.pop_back();
    }
  }

 private:
  struct voucher
  {
    Entry* who = nullptr;
    typename Entry::vouched_prefix prefix;
    token_count stride = 0;  ///< of the stretches
    token_count end = 0;     ///< the stretch behind the newest
    std::size_t first = 0;   ///< hashes_[first, last), ascending
    std::size_t last = 0;
  };

  std::vector<voucher> all_;
  std::vector<std::uint64_t> hashes_;
};

}  // namespace kvstrata

// What the fingerprints of a batch vouch for, from the call that shows them until a commit takes their word; and what
// becomes of an entry's vouchers when a request cuts its rows.
#pragma once

#include <kvstrata/books/known_history.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Throws config_error when a user's hashes would be more than anybody keeps.
inline void check_kept_stretches(std::uint32_t most)
{
  constexpr std::uint32_t limit = 65'536;
  if (most > limit) throw config_error("kept_stretches", most, "it may be at most " + std::to_string(limit));
}

/// Has the request a hash of just the prefix that was vouched for? O(1).
[[nodiscard]] inline bool compares_prefix(const request& r, const known_history& known) noexcept
{
  const token_count stride = r.fingerprint.stride;
  const token_count tokens = known.vouched.tokens;
  return stride != 0 && tokens != 0 && tokens <= r.history_tokens && tokens % stride == 0;
}

/// The stretches of which both have a hash. O(1).
[[nodiscard]] inline token_interval compared_stretches(const request& r, const known_history& known) noexcept
{
  const token_count stride = r.stretches.stride;
  if (stride == 0 || stride != known.stretches.stride) return {};
  return intersect(known.stretches.covered(), whole_stretches(window_of(r), stride));
}

/// Reused from batch to batch, so that it does not allocate in steady state; requests without fingerprints leave nothing
/// here. Not synchronised.
///
/// What holds at any time, if all requests of a user have fingerprints: the rows before the vouched prefix's end are of a
/// history with that prefix, and so are those of the vouched stretches, whether they are all there or not. A request that
/// was compared may go on with them, and its own hashes then speak for them; one that could not be compared only reads
/// (kept_by sees to it) and leaves the vouchers as they are.
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
  std::size_t add(const request& r, Entry& e, const kept_tokens& kept, std::size_t most)
  {
    if (kept.unproven) return 0;
    const token_count until = lasting_tokens(r).end;
    voucher& out = all_.emplace_back();
    out.who = &e;
    out.prefix = prefix_of(r, until);
    const std::span<const std::uint64_t> newest = newest_of(r, until, most);
    out.stride = r.stretches.stride;
    out.end = newest.empty() ? 0 : until / out.stride;
    out.first = hashes_.size();
    hashes_.insert(hashes_.end(), newest.begin(), newest.end());
    out.last = hashes_.size();
    return newest.size();
  }

  /// The requests of those users were committed for whom is_kept(entry). Who vouches for less than is vouched for already
  /// adds nothing. The entries must have learned something, and have room for the hashes.
  template <class IsKept>
  void commit(IsKept&& is_kept) const noexcept
  {
    const auto reach = [](std::uint64_t stretches, token_count stride) { return stretches * stride; };
    for (const voucher& v : all_) {
      if (!is_kept(*v.who)) continue;
      known_history& history = *v.who->if_known();
      if (v.prefix.tokens > history.vouched.tokens) history.vouched = v.prefix;
      vouched_stretches& known = history.stretches;
      if (v.first == v.last) continue;
      if (!known.hashes.empty() && reach(v.end, v.stride) < reach(known.end, known.stride)) continue;
      known.stride = v.stride;
      known.end = v.end;
      known.hashes.assign(hashes_.begin() + static_cast<std::ptrdiff_t>(v.first),
                          hashes_.begin() + static_cast<std::ptrdiff_t>(v.last));
    }
  }

  /// A request keeps of an entry only what lies in kept.tokens, whether it will be committed or not. A voucher that reaches
  /// behind that is replaced by the request's own up to there, if the two were compared: what lies behind may change from
  /// now on. Else it stays, as it is still true of what is kept, unless that was rewritten or is nothing. Keeps no more hashes
  /// than the entry has room for.
  static void cut(Entry& e, const request& r, const kept_tokens& kept, std::size_t most) noexcept
  {
    known_history* const history = e.if_known();
    if (history == nullptr) return;
    const token_count until = kept.tokens.end;
    const bool gone = kept.rewritten || kept.tokens.empty();
    if (until < history->vouched.tokens) {
      if (compares_prefix(r, *history)) history->vouched = prefix_of(r, until);
      else if (gone) history->vouched = {};
    }
    vouched_stretches& known = history->stretches;
    if (known.hashes.empty() || std::uint64_t{known.end} * known.stride <= until) return;
    if (!compared_stretches(r, *history).empty()) {
      const std::span<const std::uint64_t> newest = newest_of(r, until, (std::min)(most, known.hashes.capacity()));
      known.hashes.assign(newest.begin(), newest.end());
      known.end = until / known.stride;
    } else if (gone) {
      known.hashes.clear();
    }
  }

 private:
  struct voucher
  {
    Entry* who = nullptr;
    vouched_prefix prefix;
    token_count stride = 0;  ///< of the stretches
    token_count end = 0;     ///< the stretch behind the newest
    std::size_t first = 0;   ///< hashes_[first, last), ascending
    std::size_t last = 0;
  };

  /// The longest prefix that a request vouches for, of its tokens before `until`.
  [[nodiscard]] static vouched_prefix prefix_of(const request& r, token_count until) noexcept
  {
    const history_fingerprint& f = r.fingerprint;
    const token_count strides = f.stride == 0 ? 0 : until / f.stride;
    return strides == 0 ? vouched_prefix{} : vouched_prefix{strides * f.stride, f.prefix_hashes[strides - 1]};
  }

  /// The newest `most` stretches, which end with the stretch until / stride.
  [[nodiscard]] static std::span<const std::uint64_t> newest_of(const request& r, token_count until,
                                                                std::size_t most) noexcept
  {
    if (r.stretches.stride == 0) return {};
    const token_interval told = whole_stretches({r.first_token, until}, r.stretches.stride);
    const std::size_t count = (std::min)(std::size_t{told.size()}, most);
    return r.stretches.hashes.subspan(told.size() - count, count);
  }

  std::vector<voucher> all_;
  std::vector<std::uint64_t> hashes_;
};

}  // namespace kvstrata

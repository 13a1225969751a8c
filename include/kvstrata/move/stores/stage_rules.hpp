// What of a record is of use to a request: to be staged, or to be counted on by a lease that begins before it has come.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/kept_tokens.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Arithmetic; changes nothing.
template <class Residency>
class stage_rules
{
 public:
  using entry_type = typename Residency::entry_type;
  static constexpr level_index memories = Residency::memories;

  /// Is it of the version that the request wants, and all of it where it is served whole or not at all?
  [[nodiscard]] static bool is_asked_for(const request& r, const record_header& header) noexcept
  {
    return header.version == version_of(r) && header.atomic == is_shared(mode_of(r)) &&
           (!header.atomic || header.tokens == window_of(r));
  }

  /// Was the record vouched for by another history than the request's?
  [[nodiscard]] static bool contradicts(const request& r, const record_header& header) noexcept
  {
    return (compares(r, header) && hash_at(r, header.vouched_tokens) != header.vouched_hash) ||
           (compares_stretch(r, header) && stretch_hash(r, header) != header.stretch_hash);
  }

  /// Of `useful`, which a store has, the stretch to get: what no memory has, in whole pages, side by side with what the last
  /// memory has. `e` may be null. Nothing where it is less than `least` tokens.
  [[nodiscard]] static token_interval wanted(token_interval useful, const record_header& header, const entry_type* e,
                                             token_count least)
  {
    if (useful.empty()) return {};
    token_interval out = useful;
    if (e != nullptr) {
      if (useful.size() - e->template tokens_in<0, memories>(useful) < least) return {};
      const token_interval there = e->template at<memories - 1>().tokens;
      interval_list missing;
      append_uncovered(missing, useful, there, std::as_const(*e).template at<0>().tokens);
      if (missing.empty()) return {};
      out = {missing.front().begin, missing.back().end};
      if (!joinable(out, there))
        out = out.end < there.begin ? token_interval{out.begin, there.begin} : token_interval{there.end, out.end};
    } else if (useful.size() < least) {
      return {};
    }
    const token_count page = header.page_tokens;
    return intersect(header.tokens, {floor(out.begin, page), ceil(out.end, page)});
  }

  /// What of `coming`, tokens of the record that are on their way, a lease for the request may count on before they have
  /// come; nothing where the plain case is not at hand. They share no page with what the slab has of the user, which stays
  /// valid should they be lost; and they are of the window and the history that the request tells of, so that no row of
  /// theirs is to be forgotten by it. `e` may be null; else it is not held, and of the record's life.
  [[nodiscard]] static token_interval countable(const request& r, const record_header& header, token_interval coming,
                                                const entry_type* e) noexcept
  {
    if (!is_complete(r)) return {};  // it will be refused
    if (header.version != 0 || header.atomic) return {};
    const token_interval lasting = lasting_tokens(r);
    if (header.first_token != r.first_token || header.earlier_until > r.first_token) return {};
    if (r.volatile_tail != 0 && header.tokens.end > lasting.end) return {};
    if (has_fingerprint(r) && (header.vouched_tokens != 0 || header.stretch_stride != 0)) {
      const bool by_prefix = r.fingerprint.stride != 0 && header.vouched_tokens != 0;  // as contradiction_of
      if (!(by_prefix ? compares(r, header) : compares_stretch(r, header)) || contradicts(r, header)) return {};
    }
    if (e != nullptr) {
      const contradiction against = has_fingerprint(r) ? contradiction_of(r, *e) : contradiction{};
      if (!keeps_all(r, e, against)) {
        const kept_tokens kept = kept_by(r, e, against);
        if (kept.forgets || kept.rewritten || kept.unproven || kept.earlier_until != 0) return {};
      }
    }
    const token_count page = header.page_tokens;
    token_interval out = intersect(coming, lasting);
    if (out.begin % page != 0 && out.begin != r.first_token) out.begin = ceil(out.begin, page);
    const token_interval slab = e == nullptr ? token_interval{} : std::as_const(*e).template at<0>().tokens;
    if (!slab.empty()) {
      const token_interval before{out.begin, (std::min)(out.end, floor(slab.begin, page))};
      const token_interval behind{(std::max)(out.begin, ceil(slab.end, page)), out.end};
      out = sizes(before) > sizes(behind) ? before : behind;
    }
    return out.begin < out.end ? out : token_interval{};
  }

 private:
  [[nodiscard]] static constexpr token_count floor(token_count token, token_count page) noexcept
  {
    return token - token % page;
  }
  [[nodiscard]] static constexpr token_count ceil(token_count token, token_count page) noexcept
  {
    return token % page == 0 ? token : floor(token, page) + page;
  }
  [[nodiscard]] static constexpr token_count sizes(token_interval t) noexcept
  {
    return t.begin < t.end ? t.end - t.begin : 0;
  }

  /// Are there as many hashes as its fingerprints say?
  [[nodiscard]] static bool is_complete(const request& r) noexcept
  {
    const history_fingerprint& f = r.fingerprint;
    const stretch_fingerprint& s = r.stretches;
    return r.first_token <= r.history_tokens &&
           (f.stride == 0 || f.prefix_hashes.size() >= r.history_tokens / f.stride) &&
           (s.stride == 0 || s.hashes.size() >= whole_stretches(window_of(r), s.stride).size());
  }

  /// Has the request a hash of just the prefix that was vouched for?
  [[nodiscard]] static bool compares(const request& r, const record_header& header) noexcept
  {
    const token_count stride = r.fingerprint.stride;
    const token_count tokens = header.vouched_tokens;
    return stride != 0 && tokens != 0 && tokens % stride == 0 && tokens <= r.history_tokens &&
           tokens / stride <= r.fingerprint.prefix_hashes.size();
  }
  /// Of the stretch?
  [[nodiscard]] static bool compares_stretch(const request& r, const record_header& header) noexcept
  {
    const token_count stride = r.stretches.stride;
    if (stride == 0 || stride != header.stretch_stride || header.stretch_end == 0) return false;
    const token_interval told = whole_stretches(window_of(r), stride);
    const token_count which = header.stretch_end - 1;
    return told.contains(which) && which - told.begin < r.stretches.hashes.size();
  }
  [[nodiscard]] static std::uint64_t stretch_hash(const request& r, const record_header& header) noexcept
  {
    return r.stretches.hashes[header.stretch_end - 1 - whole_stretches(window_of(r), r.stretches.stride).begin];
  }
  [[nodiscard]] static std::uint64_t hash_at(const request& r, token_count tokens) noexcept
  {
    return r.fingerprint.prefix_hashes[tokens / r.fingerprint.stride - 1];
  }
};

}  // namespace kvstrata

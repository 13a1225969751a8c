// Requests of parts, made a list of requests of one sequence each: what is planned, held, moved and committed.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/sequence_name.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/plan/request_checks.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Has any of them parts?
[[nodiscard]] inline bool any_parts(std::span<const request> requests) noexcept
{
  std::size_t parts = 0;
  for (const request& r : requests) parts |= r.parts.size();
  return parts != 0;
}

/// What an append part stands on.
struct part_ground
{
  sequence_key key;
  std::uint64_t version = 0;
};

/// A row is a request of one sequence: one without parts as it is, or one part. Rows of a request stand side by side, in the
/// order of its parts. Its memory is reused from batch to batch. Not synchronised.
class part_rows
{
 public:
  /// Makes them of a batch. Throws usage_error for what is never right, and has no rows then: a user or a writer's key that is
  /// twice, a replace part behind an append part, a request that says something of tokens besides its parts. O(parts).
  void make(std::span<const request> requests)
  {
    clear();
    try {
      users_.require(requests);
      std::size_t parts = 0;
      for (const request& r : requests) parts += r.parts.size();
      parts_.reserve(parts);  // rows point to them
      for (const request& r : requests) {
        firsts_.push_back(static_cast<std::uint32_t>(rows_.size()));
        if (r.parts.empty()) add_row(r, r.user);
        else add_parts(r);
      }
      firsts_.push_back(static_cast<std::uint32_t>(rows_.size()));
    } catch (...) {
      clear();
      throw;
    }
  }
  void clear() noexcept
  {
    rows_.clear();
    parts_.clear();
    firsts_.clear();
    same_as_.clear();
    grounds_.clear();
    ground_of_.clear();
    keys_.clear();
  }

  [[nodiscard]] std::span<const request> rows() const noexcept { return rows_; }
  /// [request] its first row; and behind the last request, the number of rows.
  [[nodiscard]] std::span<const std::uint32_t> first_rows() const noexcept { return firsts_; }
  /// The first row of the same sequence, which may be the row itself: later ones read what that one has or writes.
  [[nodiscard]] std::size_t same_as(std::size_t row) const noexcept { return same_as_[row]; }
  /// What an append part stands on.
  [[nodiscard]] std::span<const part_ground> grounds_of(std::size_t row) const noexcept
  {
    const auto [from, count] = ground_of_[row];
    return std::span(grounds_).subspan(from, count);
  }

 private:
  void add_row(const request& r, user_id of)
  {
    const auto number = static_cast<std::uint32_t>(rows_.size());
    std::uint32_t first = number;
    if (mode_of(r) != part_mode::scratch) {
      const auto [at, fresh] = keys_.try_emplace(key_of(r), number);
      first = at->second;
      if (!fresh) require_readers(rows_[first], r, of, first >= firsts_.back());
    }
    same_as_.push_back(first);
    if (ground_of_.size() == number) ground_of_.push_back({});
    rows_.push_back(r);
  }

  void add_parts(const request& r)
  {
    require_bare(r);
    const auto ground = static_cast<std::uint32_t>(grounds_.size());
    std::uint64_t stands_on = 0;
    bool appends = false;
    for (const part& p : r.parts) {
      require_right(p, r, appends);
      parts_.push_back(p);
      part& mine = parts_.back();
      if (is_shared(p.mode)) {
        stands_on = mixed(mixed(mixed(stands_on, p.key.space), p.key.id), p.version) | 1U;
        grounds_.push_back({p.key, p.version});
      }
      if (p.mode == part_mode::append) {
        appends = true;
        if (stands_on != 0) mine.version = mixed(stands_on, p.version) | 1U;
        ground_of_.push_back({ground, static_cast<std::uint32_t>(grounds_.size()) - ground});
      }
      request row{.user = user_id{p.key.id},
                  .history_tokens = p.tokens,
                  .epoch = r.epoch,
                  .fingerprint = p.fingerprint,
                  .time_ms = r.time_ms,
                  .hint = r.hint,
                  .first_token = p.first_token,
                  .if_rewritten = r.if_rewritten,
                  .exact = r.exact};
      row.parts = {&mine, 1};
      add_row(row, r.user);
    }
  }

  [[nodiscard]] static constexpr std::uint64_t mixed(std::uint64_t x, std::uint64_t with) noexcept
  {
    x = (x ^ with) + 0x9e3779b97f4a7c15U;  // splitmix64
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }

  [[nodiscard]] static std::string whose(user_id user)
  {
    return "the request of user " + std::to_string(to_number(user));
  }

  static void require_bare(const request& r)
  {
    const auto refuse = [&r](const char* what) {
      throw usage_error(whose(r.user) + " has parts and also " + what +
                        "; of a request with parts only the parts tell of tokens");
    };
    if (r.history_tokens != 0 || r.first_token != 0) refuse("tokens of its own");
    if (r.volatile_tail != 0) refuse("a volatile tail");
    if (has_fingerprint(r)) refuse("a fingerprint of its own");
    if (r.provisional) {
      throw usage_error(
          whose(r.user) +
          " has parts and also request.provisional; only a request without parts is counted on before a store "
          "has answered: leave it out, and wait where the call says pressure::arriving");
    }
  }

  static void require_right(const part& p, const request& r, bool appends)
  {
    const std::string mode(name_of(p.mode));
    if (p.mode == part_mode::replace && appends) {
      throw usage_error(whose(r.user) + " has the replace part " + name_of(p.key) +
                        " behind an append part; a part stands on those before it, so what is replaced comes first");
    }
    if (p.first_token != 0 && p.mode != part_mode::append) {
      throw usage_error(whose(r.user) + " has a " + mode + " part " + name_of(p.key) + " that begins at token " +
                        std::to_string(p.first_token) + "; only append parts have windows");
    }
    if (p.mode == part_mode::scratch && p.fingerprint.stride != 0) {
      throw usage_error(whose(r.user) + " has a scratch part with a fingerprint; nothing of it is ever compared");
    }
  }

  /// `before` and `now` are of one key.
  static void require_readers(const request& before, const request& now, user_id user, bool of_one_request)
  {
    const std::string name = name_of(key_of(now));
    if (of_one_request) throw usage_error(name + " is twice in " + whose(user));
    if (mode_of(before) != mode_of(now) || !is_shared(mode_of(now))) {
      throw usage_error(name + " is twice in one batch, the second time in " + whose(user) +
                        "; an append part is one request's, and a sequence has one mode");
    }
    if (version_of(before) != version_of(now) || before.history_tokens != now.history_tokens) {
      throw usage_error(name + " is twice in one batch, as version " + std::to_string(version_of(before)) + " of " +
                        std::to_string(before.history_tokens) + " tokens and as version " +
                        std::to_string(version_of(now)) + " of " + std::to_string(now.history_tokens) + " tokens");
    }
    const history_fingerprint& a = before.fingerprint;
    const history_fingerprint& b = now.fingerprint;
    if (a.stride == 0 || a.stride != b.stride) return;
    const std::size_t both = (std::min)(a.prefix_hashes.size(), b.prefix_hashes.size());
    const std::size_t told = (std::min)(both, std::size_t{now.history_tokens / a.stride});
    if (!std::equal(a.prefix_hashes.begin(), a.prefix_hashes.begin() + static_cast<std::ptrdiff_t>(told),
                    b.prefix_hashes.begin())) {
      throw usage_error(name + " is twice in one batch, with two fingerprints, the second in " + whose(user) +
                        "; one version has one content");
    }
  }

  struct stretch
  {
    std::uint32_t from = 0;
    std::uint32_t count = 0;
  };

  std::vector<request> rows_;
  std::vector<part> parts_;
  std::vector<std::uint32_t> firsts_;
  std::vector<std::uint32_t> same_as_;
  std::vector<part_ground> grounds_;
  std::vector<stretch> ground_of_;  // [row]
  boost::unordered_flat_map<sequence_key, std::uint32_t, sequence_key_hash> keys_;
  distinct_users users_;
};

}  // namespace kvstrata

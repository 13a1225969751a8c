// Ten million random operations in virtual time. tests/cache looks at everything after each step of short walks; this
// walks for long and looks at the bytes of every token that is served, and at the books now and then: for what shows only
// when counts grow, rings come round and pools fragment. An operation is one call that works on a cache or on a lease;
// reading a lease's view or plan does not count.
#include "cache/combinations.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace kvstrata_test {

using namespace kvstrata;

namespace {

/// What a kernel reads or writes: tags of tokens, the same cells in every layer.
struct tagged_work
{
  struct cell
  {
    std::byte* key = nullptr;
    std::uint64_t tag = 0;
    bool writes = false;
  };
  std::vector<cell> cells;
  std::size_t value_offset = 0;
  std::uint64_t layer_stride = 0;
};

void run_layer(const tagged_work& work, layer_index layer, std::uint64_t& wrong)
{
  for (const tagged_work::cell& c : work.cells) {
    for (const std::uint64_t half : {std::uint64_t{0}, std::uint64_t{1}}) {
      const std::uint64_t right = c.tag ^ ((2 * layer + half + 1) * 0x9E3779B97F4A7C15U);
      std::byte* const at = c.key + layer * work.layer_stride + half * work.value_offset;
      static_assert(tiny.key_bytes() == sizeof right);
      if (c.writes) {
        std::memcpy(at, &right, sizeof right);
      } else {
        std::uint64_t there = 0;
        std::memcpy(&there, at, sizeof there);
        wrong += there == right ? 0U : 1U;
      }
    }
  }
}

class soaking
{
 public:
  soaking(any_cache& cache, emulated_device& device, const facts& about, std::uint64_t seed)
      : cache_(cache), device_(device), about_(about), state_(seed)
  {
    for (const char* name : {"compute a", "compute b"}) streams_.push_back(device_.create_stream(name));
  }

  /// Returns how many operations it made: at least so many.
  std::uint64_t run(std::uint64_t operations)
  {
    while (operations_ < operations) {
      for (int step = 0; step < 2000; ++step) one_step();
      INFO(about_.name << ", after " << operations_ << " operations");
      check_books();
      if (++rounds_ % 16 == 0) check_all();
      REQUIRE(*wrong_ == 0);
    }
    while (!open_.empty()) close_lease(0);
    check_all();
    for (std::uint64_t user = 0; user < users; ++user) erase(user);
    cache_.drain_sync();
    const cache_stats s = cache_.stats();
    REQUIRE(s.users == 0);
    REQUIRE(s.dirty_tokens == 0);
    REQUIRE(s.window.free_bytes == s.window.capacity_bytes);
    REQUIRE(*wrong_ == 0);
    check_wear();
    cache_.close();
    return operations_;
  }

 private:
  static constexpr std::uint64_t users = 12;

  struct turn
  {
    std::uint64_t user = 0;
    bool forgotten = false;
  };
  struct open_lease
  {
    std::unique_ptr<any_lease> lease;
    std::vector<turn> turns;
    std::shared_ptr<const tagged_work> work;
    stream_id stream{};
    std::uint32_t draft = 0;
    layer_index next = 0;
    bool waited = false;
    bool committed = false;
  };

  [[nodiscard]] std::uint32_t below(std::uint32_t n)
  {
    state_ ^= state_ << 13U;  // xorshift64
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return static_cast<std::uint32_t>((state_ >> 16U) % n);
  }
  [[nodiscard]] token_count longest() const { return std::min<token_count>(64, about_.longest); }
  [[nodiscard]] request asks(std::uint64_t user, token_count history) const
  {
    return {.user = user_id{user},
            .history_tokens = std::max(history, first_[user]),
            .epoch = epoch_,
            .first_token = first_[user]};
  }
  /// The windows of every third user move on, and now and then back.
  [[nodiscard]] request some_request()
  {
    const std::uint64_t user = below(users);
    const auto known = static_cast<token_count>(drafts_[user].size());
    const std::uint32_t what = below(16);
    const token_count history = what == 0 ? below(known + 1) : what < 6 ? known : known + below(12);
    request r = asks(user, std::min({first_[user] + longest(), about_.longest, history}));
    if (user % 3 == 0) {
      if (below(8) == 0) r.first_token = std::min(r.first_token + below(8), r.history_tokens);
      else if (below(64) == 0) r.first_token = below(r.first_token + 1);
      if (r.history_tokens > r.first_token + longest()) r.first_token = r.history_tokens - longest();
      if (below(8) == 0) r.volatile_tail = below(3);
    }
    return r;
  }
  [[nodiscard]] bool is_held(std::uint64_t user) const
  {
    for (const open_lease& l : open_) {
      for (const turn& t : l.turns) {
        if (t.user == user && !t.forgotten) return true;
      }
    }
    return false;
  }

  void one_step()
  {
    const std::uint32_t what = below(1000);
    if (what < 150) prepare();
    else if (what < 860) work();
    else if (what < 900) prefetch();
    else if (what < 915) undo_prefetch();
    else if (what < 930) arrived();
    else if (what < 940) clean();
    else if (what < 945) erase(below(users));
    else if (what < 946) advance_epoch();
    else if (what < 960) plan();
    else if (what < 965) misuse();
    else if (what < 967) drain();
    else if (what < 970) device_.delay_next_copy(1e-6 * below(60), below(10));
    else device_.advance_host(1e-6 * below(30));
  }

  void prepare()
  {
    if (open_.size() == 4) return close_lease(below(4));
    batch_.clear();
    page_count wanted = 0;
    for (std::uint32_t n = 1 + below(3); n != 0; --n) {
      const request r = some_request();
      const auto same_user = [&r](const request& other) { return other.user == r.user; };
      if (std::any_of(batch_.begin(), batch_.end(), same_user)) continue;
      if (wanted + about_.pages(window_of(r)) > about_.device_pages()) continue;
      wanted += about_.pages(window_of(r));
      batch_.push_back(r);
    }
    ++operations_;
    open_lease fresh{.lease = {}, .turns = {}, .work = {}, .stream = streams_[below(2)], .draft = ++last_draft_};
    auto got = cache_.prepare(batch_, fresh.stream);
    if (!got) {
      if (got.why().why == pressure::reason::user_held) REQUIRE(is_held(got.why().user));
      else REQUIRE(!open_.empty());
      return;
    }
    fresh.lease = std::move(got).value();
    auto work = std::make_shared<tagged_work>();
    const page_table_view view = fresh.lease->view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      const std::uint64_t user = to_number(batch_[i].user);
      const request_plan& planned = fresh.lease->plan().requests[i];
      const token_interval again = planned.recomputed;
      if (planned.first_token < first_[user]) drafts_[user].clear();  // begun anew
      if (batch_[i].volatile_tail != 0 && drafts_[user].size() > planned.lasting) drafts_[user].resize(planned.lasting);
      first_[user] = planned.first_token;
      token_count t = batch_[i].first_token;
      const auto until = [&](token_count end, bool computed) {
        for (; t < end; ++t) {
          const bool known = !computed || again.contains(t);
          if (known && t >= drafts_[user].size()) FAIL("token " << t << " of user " << user << " was never committed");
          const std::uint64_t draft = known ? drafts_[user][t] : fresh.draft;
          const std::uint64_t tag = (draft << 32U | user << 16U | t) * 0xD6E8FEB86659FD93U;
          work->cells.push_back({view.key(0, i, t), tag, computed});
        }
      };
      for (const token_interval piece : fresh.lease->compute(i)) {
        until(piece.begin, false);
        until(piece.end, true);
      }
      until(batch_[i].history_tokens, false);
      fresh.turns.push_back({user, false});
    }
    fresh.work = std::move(work);
    open_.push_back(std::move(fresh));
  }

  void work()
  {
    if (open_.empty()) return prepare();
    const std::uint32_t which = below(static_cast<std::uint32_t>(open_.size()));
    if (below(200) == 0) return release(which);  // whatever it has come to
    step(which);
  }

  /// The next call of a lease's life.
  void step(std::uint32_t which)
  {
    open_lease& l = open_[which];
    if (l.next == tiny.layers) {
      if (l.committed || below(12) == 0) return release(which);
      return commit(l);
    }
    ++operations_;
    if (!l.waited) {
      if (below(64) == 0) l.lease->wait_sync(l.next);
      else l.lease->wait(l.next);
      l.waited = true;
      return;
    }
    device_.launch(l.stream, {.label = "layer", .seconds = 2e-6},
                   [work = l.work, layer = l.next, wrong = wrong_] { run_layer(*work, layer, *wrong); });
    l.lease->layer_done(l.next++);
    l.waited = false;
  }

  void commit(open_lease& l)
  {
    ++operations_;
    l.lease->commit();
    l.committed = true;
    for (std::size_t i = 0; i < l.turns.size(); ++i) {
      if (l.turns[i].forgotten) continue;
      std::vector<std::uint32_t>& drafts = drafts_[l.turns[i].user];
      const request_plan& r = l.lease->plan().requests[i];
      if (drafts.size() < r.lasting) drafts.resize(r.lasting);
      for (const token_interval piece : l.lease->compute(i)) {
        for (token_count t = piece.begin; t < std::min(piece.end, r.lasting); ++t) {
          if (!r.recomputed.contains(t)) drafts[t] = l.draft;
        }
      }
    }
  }

  void release(std::uint32_t which)
  {
    ++operations_;
    if (below(2) == 0) open_[which].lease->release();
    open_.erase(open_.begin() + which);
  }

  void close_lease(std::uint32_t which)
  {
    const std::size_t before = open_.size();
    while (open_.size() == before) step(which);
  }

  void prefetch()
  {
    ++operations_;
    const request r = some_request();
    prefetch_limit limit;
    if (below(2) == 0) limit.pages = below(8);
    if (below(2) == 0) limit.displaced_pages = below(8);
    const auto got = cache_.prefetch(r, limit);
    if (got) REQUIRE(got->pages <= limit.pages);
    else REQUIRE(!open_.empty());
  }
  void undo_prefetch()
  {
    ++operations_;
    const std::uint64_t user = below(users);
    const token_count gone = cache_.undo_prefetch(user_id{user});
    REQUIRE(gone <= drafts_[user].size());
  }
  void arrived()
  {
    ++operations_;
    static_cast<void>(cache_.arrived(user_id{below(users)}));
  }
  void clean()
  {
    ++operations_;
    const std::uint64_t before = cache_.stats().levels[0].resident_tokens;
    REQUIRE(cache_.clean(below(2) == 0 ? ~std::uint64_t{0} : below(40)) <= before);
  }
  void plan()
  {
    ++operations_;
    const request r = some_request();
    const auto said = cache_.plan({&r, 1});
    if (!said) return;
    const request_plan& p = said->requests[0];
    REQUIRE(window_of(r).size() - p.computed() + p.recomputed.size() <= drafts_[to_number(r.user)].size());
  }
  void erase(std::uint64_t user)
  {
    ++operations_;
    const bool held = is_held(user);
    const bool erased = cache_.erase(user_id{user});
    if (held) REQUIRE(erased);
    drafts_[user].clear();
    first_[user] = 0;
    for (open_lease& l : open_) {
      for (turn& t : l.turns) t.forgotten |= t.user == user;
    }
  }
  void advance_epoch()
  {
    ++operations_;
    epoch_ = epoch_id{to_number(epoch_) + 1};
    cache_.advance_epoch(epoch_);
    for (auto& drafts : drafts_) drafts.clear();
    std::fill(first_.begin(), first_.end(), 0U);
    for (open_lease& l : open_) {
      for (turn& t : l.turns) t.forgotten = true;
    }
  }
  void misuse()
  {
    ++operations_;
    const request twice[] = {asks(3, 4), asks(3, 5)};
    REQUIRE_THROWS_AS(cache_.prepare(twice, streams_[0]), usage_error);
  }
  void drain()
  {
    ++operations_;
    cache_.drain_sync();
  }

  void check_books()
  {
    ++operations_;
    const cache_stats s = cache_.stats();
    for (const tier_stats& tier : all_tiers(s)) {
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
      REQUIRE(tier.dropped_tokens <= tier.evicted_tokens);
      REQUIRE(tier.resident_tokens * tiny.token_bytes() <= tier.resident_bytes);
    }
    REQUIRE(s.leases == open_.size());
    REQUIRE(s.dirty_tokens <= s.levels[0].resident_tokens);
    REQUIRE(s.users <= users);
    const counters::snapshot counted = cache_.counted();
    REQUIRE(counted.served_tokens[0] + counted.served_tokens[1] + counted.computed_tokens >= counted.committed_tokens);
    REQUIRE(counted.evicted_tokens[0] == s.levels[0].evicted_tokens);
    REQUIRE(counted.dropped_tokens[1] == s.levels[1].dropped_tokens);
    REQUIRE(counted.unread_tokens[0] <= counted.evicted_tokens[0]);
    REQUIRE(device_.stats().to_device.bytes == counted.onload_bytes[1]);
    REQUIRE(device_.stats().from_device.bytes == counted.offload_bytes[1]);
  }

  /// With everything at rest: what the tiers count is what plans find.
  void check_all()
  {
    while (!open_.empty()) close_lease(0);
    cache_.drain_sync();
    for (std::uint64_t round = 0; cache_.stats().waiting_writes != 0; ++round) {
      REQUIRE(round <= users);
      cache_.clean(0);
      cache_.drain_sync();
    }
    std::uint64_t in_slab = 0;
    for (std::uint64_t user = 0; user < users; ++user) {
      REQUIRE(cache_.arrived(user_id{user}));
      const request r = asks(user, static_cast<token_count>(drafts_[user].size()));
      const request_plan p = cache_.plan({&r, 1}).value().requests[0];
      if (p.kept.forgotten.total() != 0) cache_.prepare({&r, 1}, streams_[0]).value()->release();  // forgets it
      in_slab += p.in_slab.size();
      ++operations_;
    }
    cache_.drain_sync();  // leases that made the cache forget have released pages
    const cache_stats s = cache_.stats();
    REQUIRE(s.levels[0].resident_tokens == in_slab);
    REQUIRE(s.levels[0].in_flight_bytes + s.levels[1].in_flight_bytes + s.window.in_flight_bytes == 0);
    REQUIRE(s.window.resident_bytes == 0);
  }

  /// Was everything used, and not once only?
  void check_wear()
  {
    const counters::snapshot c = cache_.counted();
    const std::uint64_t often = operations_ / 1000;
    INFO(about_.name);
    CHECK(c.served_tokens[0] > often);
    CHECK(c.served_tokens[1] > often);
    CHECK(c.committed_tokens > often);
    CHECK(c.evicted_tokens[0] > often);
    CHECK(c.evicted_tokens[1] > often);
    CHECK(c.passed_tokens > often / 4);
    if (effort == 1) return;  // too short for what is rare
    CHECK(c.saved_tokens > often);
    CHECK(c.undone_tokens > often / 4);
    CHECK(c.pressure > often);
    if (about_.axes[4] != "token") CHECK(c.cleaned_tokens > often);
    if (about_.window) CHECK(c.relocated_bytes > often);
    if (about_.cuts) CHECK(c.recomputed_tokens > often);
    if (about_.bounded_writes && about_.axes[3] == "layerwise" && about_.axes[4] != "back") CHECK(c.delayed_tokens > 0);
  }

  any_cache& cache_;
  emulated_device& device_;
  facts about_;
  std::uint64_t state_;
  std::vector<stream_id> streams_;
  std::vector<std::vector<std::uint32_t>> drafts_ = std::vector<std::vector<std::uint32_t>>(users);
  std::vector<token_count> first_ = std::vector<token_count>(users);  // where their windows begin
  std::vector<open_lease> open_;
  std::vector<request> batch_;
  epoch_id epoch_{};
  std::uint32_t last_draft_ = 0;
  std::uint64_t operations_ = 0;
  std::uint64_t rounds_ = 0;
  std::shared_ptr<std::uint64_t> wrong_ = std::make_shared<std::uint64_t>(0);
};

TEST_CASE("ten million random operations", "[soak]")
{
  constexpr policy_point points[] = {
      point_of<hybrid_layer_first, coalesced, coalesced, layerwise, page, fetch, front, front, unbounded>,
      point_of<paged_layer_first, window, batched, layerwise, back, anywhere, front, whole, bounded>,
      point_of<contiguous, staged, staged, layerwise, token, fetch, whole, front, unbounded>,
      point_of<paged_page_first, kernel, coalesced, immediate, selective, by_cost, front, front, bounded>,
      point_of<hybrid_page_first, batched, per_page, layerwise, chunk, anywhere, whole, whole, unbounded>,
  };
  constexpr std::uint64_t wanted = effort == 1 ? 150'000 : 10'000'000;
  std::uint64_t operations = 0;
  std::uint64_t seed = 1;
  for (const policy_point& where : points) {
    emulated_device device({.time = time_mode::virtual_time,
                            .to_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
                            .from_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
                            .seed = seed,
                            .jitter_seconds = 5e-6,
                            .reorder_copies = true,
                            .poison_freed = seed % 2 == 0});
    const auto cache = where.make(device, {});
    operations += soaking(*cache, device, where.about({}), seed).run(wanted / std::size(points));
    ++seed;
  }
  std::printf("soak: %llu operations\n", static_cast<unsigned long long>(operations));
  REQUIRE(operations >= wanted);
}

}  // namespace

}  // namespace kvstrata_test

// MTGR served from a cache: U and S as a part that is replaced, R as one that is appended, candidates as scratch.
#include "mtgr/fixture.hpp"

#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/plan/part.hpp>

#include <memory>
#include <optional>
#include <string>

namespace {

using namespace mtgr_test;
using kvstrata::emulated_device;
using kvstrata::token_count;
using mtgr::part;

constexpr token_count page_tokens = 8;
constexpr std::uint32_t statics_space = 1, recents_space = 2;

using cache_type = kvstrata::default_cache<emulated_device, kvstrata::lru>;

// A user as the cache knows them: a number, and which S it is.
struct known_user
{
  std::uint64_t id = 0, version = 1;
  user told;
  std::uint64_t events = id;  // whose R it is
};

// What a request brought: logits, where its parts came from, and K and V of both parts of every layer.
struct served
{
  std::vector<float> logits;
  kvstrata::token_sources statics, recents;
  std::vector<std::vector<float>> rows;
};

class cache_bed
{
 public:
  cache_bed(const mtgr::model& m, kvstrata::page_count device_pages, kvstrata::page_count host_pages)
      : model_(m),
        device_({.time = kvstrata::time_mode::virtual_time, .check_ordering = true, .poison_freed = true}),
        compute_(device_.create_stream("compute")),
        cache_(device_, {.shape = m.shape(),
                         .tiers = {{.bytes = device_pages * page_bytes(m)}, {.bytes = host_pages * page_bytes(m)}},
                         .layout = {.page_tokens = page_tokens}})
  {
  }
  ~cache_bed() { CHECK(device_.violations().empty()); }

  // One request, in steps: what it lends and its pass. The user must stay where they are.
  struct turn
  {
    std::unique_ptr<mtgr::batch_forward> pass;  // before the lease, which waits for what is queued
    cache_type::lease lease;
    kvstrata::token_sources statics, recents;
    mtgr::request asked;
    kvstrata::layer_index next = 0;
  };

  turn begin(known_user& u)
  {
    const std::vector<kvstrata::part> parts = parts_of(u);
    const kvstrata::request r{.user = kvstrata::user_id{u.id}, .parts = parts};
    turn out{{}, cache_.prepare({&r, 1}, compute_).value(), {}, {}, {}};
    out.statics = out.lease.sources(0, 0);
    out.recents = out.lease.sources(0, 1);
    u.told.static_compute.assign(out.lease.compute(0, 0).begin(), out.lease.compute(0, 0).end());
    u.told.recent_compute.assign(out.lease.compute(0, 1).begin(), out.lease.compute(0, 1).end());
    out.asked = u.told.request();
    out.pass = std::make_unique<mtgr::batch_forward>(
        model_, std::span(&out.asked, 1), mtgr::part_views{out.lease.view(0), out.lease.view(1), out.lease.view(2)});
    device_.launch(compute_, {.label = "embed"}, [p = out.pass.get()] { p->embed(); });
    return out;
  }
  void layer(turn& t)
  {
    t.lease.wait(t.next);
    device_.launch(compute_, {.label = "layer"}, [p = t.pass.get(), l = t.next] { p->layer(l); });
    t.lease.layer_done(t.next++);
  }
  served end(turn& t, const known_user& u)
  {
    while (t.next < model_.options().layers) layer(t);
    device_.launch(compute_, {.label = "head"}, [p = t.pass.get()] { p->head(); });
    device_.wait_sync(device_.record(compute_));
    served out{{t.pass->logits().begin(), t.pass->logits().end()}, t.statics, t.recents, {}};
    for (kvstrata::layer_index l = 0; l < model_.options().layers; ++l) {
      out.rows.push_back(rows(t.lease.view(0), l, u.told.statics));
      out.rows.push_back(rows(t.lease.view(1), l, u.told.recents));
    }
    t.lease.commit();
    t.lease.release();
    return out;
  }
  served serve(known_user& u)
  {
    turn t = begin(u);
    return end(t, u);
  }

  [[nodiscard]] cache_type& cache() { return cache_; }

 private:
  static std::size_t page_bytes(const mtgr::model& m) { return kvstrata::page_bytes(m.shape(), page_tokens); }

  static std::vector<kvstrata::part> parts_of(const known_user& u)
  {
    return {{.key = {statics_space, u.id},
             .version = u.version,
             .tokens = u.told.statics,
             .mode = kvstrata::part_mode::replace},
            {.key = {recents_space, u.events}, .tokens = u.told.recents},
            {.tokens = static_cast<token_count>(u.told.candidate_times.size()), .mode = kvstrata::part_mode::scratch}};
  }
  [[nodiscard]] std::vector<float> rows(const kvstrata::page_table_view& view, kvstrata::layer_index layer,
                                        token_count tokens) const
  {
    const std::size_t width = mtgr::width_of(model_.options());
    std::vector<float> out;
    for (token_count t = 0; t < tokens; ++t) {
      const std::byte* const key = view.key(layer, 0, t);
      for (const std::byte* const from : {key, key + view.value_offset()}) {
        out.resize(out.size() + width);
        std::memcpy(out.data() + out.size() - width, from, width * sizeof(float));
      }
    }
    return out;
  }

  const mtgr::model& model_;
  emulated_device device_;
  kvstrata::stream_id compute_;
  cache_type cache_;
};

// The same without a cache: of a user whose compute lists are of no matter.
served computed_anew(generator& random, const mtgr::model& m, const user& u)
{
  std::vector<user> alone{u};
  alone[0].static_compute = {{0, u.statics}};
  alone[0].recent_compute = {{0, u.recents}};
  part_pages memory(random, m.shape(), 16, alone);
  served out;
  out.logits = run(m, alone, memory);
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
    out.rows.push_back(memory.rows(l, 0, part::statics, u.statics));
    out.rows.push_back(memory.rows(l, 0, part::recents, u.recents));
  }
  return out;
}

double furthest_of(const served& a, const served& b)
{
  double most = furthest(a.logits, b.logits);
  for (std::size_t i = 0; i < a.rows.size(); ++i) most = std::max(most, furthest(a.rows[i], b.rows[i]));
  return most;
}

// Another item where one of S was.
void change_one_item(user& u)
{
  for (std::size_t i = 0; i < u.options.item_features; ++i) u.sequence[i] *= -1;
}

user with_candidates(generator& random, user u, std::uint32_t count)
{
  u.candidates.clear();
  u.candidate_times.clear();
  u.add_candidates(random, count);
  return u;
}

}  // namespace

TEST_CASE("MTGR from the cache equals MTGR recomputed, at every layer, through the arena and back", "[mtgr][parts]")
{
  generator random(41);
  const mtgr::model m(small_config(), 1);
  // A user takes up to 13 pages. In the small arena U and S get lost where R is still there, which stands on the same version.
  const bool all_fit = GENERATE(true, false);
  cache_bed bed(m, 24, all_fit ? 200 : 12);
  std::vector<known_user> users;
  std::vector<user> whole;  // with all of R that will be
  for (std::uint64_t id = 0; id < 5; ++id) {
    whole.emplace_back(random, m.options(), 30 + below(random, 40), 20, 1);
    users.push_back({id, 1, whole.back()});
    users.back().told.recents = 3;
  }
  std::uint64_t from_slab = 0, from_arena = 0, replaced = 0, lost_below = 0;
  std::vector<bool> computed_before(users.size());
  for (int round = 0; round < 60; ++round) {
    const std::uint32_t who = below(random, 5);
    known_user& u = users[who];
    INFO("round " << round << ", user " << who);
    bool another = false;
    if (below(random, 6) == 0 && computed_before[who]) {
      change_one_item(u.told);
      ++u.version;
      another = true;
      ++replaced;
    } else if (u.told.recents < 20) {
      u.told.recents += below(random, std::min(4u, 21 - u.told.recents));
    }
    u.told = with_candidates(random, u.told, 1 + below(random, 12));
    const served cached = bed.serve(u);
    CHECK(furthest_of(cached, computed_anew(random, m, u.told)) < close_enough);
    if (another || !computed_before[who]) {
      CHECK(cached.statics.computed == u.told.statics);
      CHECK(cached.recents.computed == u.told.recents);
    } else if (all_fit) {
      CHECK(cached.statics.computed == 0);
    } else if (cached.statics.computed != 0 && cached.recents.computed < u.told.recents) {
      ++lost_below;
    }
    computed_before[who] = true;
    from_slab += cached.statics.from[0];
    from_arena += cached.statics.from[1];
  }
  CHECK(from_slab > 0);
  CHECK((from_arena > 0 || !all_fit));
  CHECK(replaced > 0);
  CHECK((lost_below > 0) == !all_fit);
}

TEST_CASE("MTGR from the cache: R event by event equals R at once", "[mtgr][parts]")
{
  generator random(42);
  const mtgr::model m(small_config(), 1);
  cache_bed bed(m, 40, 40);
  known_user grown{1, 1, user(random, m.options(), 33, 21, 7)};
  known_user at_once{2, 1, grown.told};
  const served right = bed.serve(at_once);
  served last;
  for (token_count events = 0; events <= 21; ++events) {
    grown.told.recents = events;
    last = bed.serve(grown);
    CHECK(last.recents.computed == (events == 0 ? 0 : 1));
    CHECK(last.statics.computed == (events == 0 ? grown.told.statics : 0));
  }
  CHECK(furthest_of(last, right) < close_enough);
}

TEST_CASE("MTGR from the cache: one other item of S is another version; an old S that is served would be red",
          "[mtgr][parts]")
{
  generator random(43);
  const mtgr::model m(small_config(), 1);
  for (const bool told : {true, false}) {
    INFO((told ? "with" : "without") << " a new version");
    cache_bed bed(m, 40, 40);
    known_user u{1, 1, user(random, m.options(), 40, 9, 6)};
    CHECK(furthest_of(bed.serve(u), computed_anew(random, m, u.told)) < close_enough);
    change_one_item(u.told);
    if (told) ++u.version;
    const served now = bed.serve(u);
    const double apart = furthest(now.logits, computed_anew(random, m, u.told).logits);
    if (told) {
      CHECK(apart < close_enough);
      CHECK(now.statics.computed == u.told.statics);
      CHECK(now.recents.computed == u.told.recents);  // it stood on the old one
      CHECK(bed.cache().stats().forgotten.superseded == u.told.statics + u.told.recents);
    } else {
      CHECK(now.statics.computed == 0);
      CHECK(apart > 20 * close_enough);
    }
  }
}

TEST_CASE("MTGR from the cache: who reads an old S goes on while another is written", "[mtgr][parts]")
{
  generator random(44);
  const mtgr::model m(small_config(), 1);
  cache_bed bed(m, 60, 60);
  known_user before{1, 1, user(random, m.options(), 40, 9, 6)};
  static_cast<void>(bed.serve(before));
  known_user after = before;
  after.version = 2;
  after.events = 2;  // R is one request's: two devices that show one profile
  change_one_item(after.told);

  cache_bed::turn old = bed.begin(before);
  CHECK(old.statics.computed == 0);
  bed.layer(old);
  const served anew = bed.serve(after);
  CHECK(anew.statics.computed == after.told.statics);
  CHECK(furthest_of(anew, computed_anew(random, m, after.told)) < close_enough);
  bed.layer(old);
  CHECK(furthest_of(bed.end(old, before), computed_anew(random, m, before.told)) < close_enough);

  CHECK(bed.serve(after).statics.computed == 0);
  CHECK(kvstrata_test::sentence_of<kvstrata::error>([&] { static_cast<void>(bed.begin(before)); }) ==
        "version 1 of sequence 1 of space 1 is asked for, but version 2 is cached; versions only go forward");
}

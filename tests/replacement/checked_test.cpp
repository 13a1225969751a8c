// A checked policy serves as the policy does, and blames it by name for what its table does not allow.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/checked.hpp>
#include <kvstrata/replacement/gdsf.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include "replacement/replacement_conformance.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>

using namespace kvstrata;
using kvstrata_test::says;
using kvstrata_test::sentence_of;

namespace strangers {

enum class mistake : std::uint8_t { none, nobody, twice, goes_on, keeps_who_left, hides_one };

/// An LRU with one mistake.
template <mistake Mistake>
struct slip : lru
{
  using hook = lru::hook;
  void remove(hook& object) noexcept
  {
    if constexpr (Mistake != mistake::keeps_who_left) lru::remove(object);
    left = &object;
  }
  template <class Visit>
  void victims(Visit&& visit)
  {
    if constexpr (Mistake == mistake::nobody) return;
    bool first = true;
    bool more = true;
    if (Mistake == mistake::keeps_who_left && left != nullptr && !visit(*left)) return;
    lru::victims([&](hook& object) {
      if (Mistake == mistake::hides_one && std::exchange(first, false)) return true;
      more = visit(object);
      if (Mistake == mistake::twice && more) more = visit(object);
      return Mistake == mistake::goes_on || more;
    });
  }
  hook* left = nullptr;
};

}  // namespace strangers

namespace {

using strangers::mistake;
using strangers::slip;

template <class Policy>
struct bed
{
  typename checked<Policy>::hook objects[4];
  object_info info[4] = {{.user = user_id{0}, .bytes = 1},
                         {.user = user_id{1}, .bytes = 1},
                         {.user = user_id{2}, .bytes = 1},
                         {.user = user_id{3}, .bytes = 1}};
  checked<Policy> policy{tier_size{.bytes = 4, .objects = 4}};

  bed()
  {
    for (int i : {0, 1, 2}) policy.insert(objects[i], info[i]);
  }
  std::string complaint(bool all)
  {
    return sentence_of<contract_error>([&] { policy.victims([all](auto&) { return all; }); });
  }
};

TEST_CASE("a policy's mistakes are blamed on it by name", "[replacement]")
{
  const std::string fine = "nothing was thrown";
  CHECK(bed<lru>().complaint(true) == fine);
  CHECK(bed<lru>().complaint(false) == fine);
  CHECK(bed<slip<mistake::none>>().complaint(true) == fine);
  CHECK_THAT(
      bed<slip<mistake::nobody>>().complaint(true),
      says("strangers::slip<") && says("names 0 of the 3 objects that it has in victims(visit), though visit has not "
                                       "returned false"));
  CHECK_THAT(bed<slip<mistake::twice>>().complaint(true), says("names an object twice in victims(visit)"));
  CHECK(bed<slip<mistake::twice>>().complaint(false) == fine);
  CHECK_THAT(bed<slip<mistake::goes_on>>().complaint(false),
             says("goes on in victims(visit) after visit has returned false"));
  CHECK_THAT(bed<slip<mistake::hides_one>>().complaint(true), says("names 2 of the 3 objects"));
  bed<slip<mistake::keeps_who_left>> kept;
  kept.policy.remove(kept.objects[1]);
  CHECK_THAT(kept.complaint(false), says("names an object in victims(visit) that it has not"));
}

TEST_CASE("whoever uses a checked policy wrongly is told", "[replacement]")
{
  bed<lru> b;
  CHECK_THAT(sentence_of<contract_error>([&] { b.policy.insert(b.objects[0], b.info[0]); }),
             says("lru was given an object by insert(hook, info) that it has"));
  CHECK_THAT(sentence_of<contract_error>([&] { b.policy.touch(b.objects[3], b.info[3]); }),
             says("was given an object by touch(hook, info) that it has not"));
  CHECK_THAT(sentence_of<contract_error>([&] {
               b.policy.victims([&](auto& object) {
                 b.policy.touch(object, b.info[0]);
                 return false;
               });
             }),
             says("was called by a visit"));

  // What may not throw is told by the next call that may, once.
  b.policy.remove(b.objects[3]);
  CHECK_THAT(b.complaint(true), says("was given an object by remove(hook) that it has not"));
  b.policy.evict(b.objects[3], b.info[3]);
  CHECK_THAT(b.complaint(true), says("by evict(hook, info) that it has not"));
  b.policy.changed(b.objects[3], b.info[3]);
  CHECK_THAT(b.complaint(true), says("by changed(hook, info) that it has not"));
  CHECK(b.complaint(true) == "nothing was thrown");
}

/// A thousand requests for forty keys through a cache of ten: who hits.
template <class Policy>
std::string hits_of()
{
  object_cache<Policy> cache({.bytes = 10, .objects = 10});
  std::mt19937 random(7);
  std::string out;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t key = (std::min)(random() % 40, random() % 40);
    out.push_back(cache.request({.key = key, .time_ms = i}) == access_outcome::hit ? 'h' : 'm');
  }
  return out;
}

TEST_CASE("a checked policy serves as the policy does", "[replacement]")
{
  CHECK(hits_of<checked<lru>>() == hits_of<lru>());
  CHECK(hits_of<checked<s3_fifo>>() == hits_of<s3_fifo>());
  CHECK(hits_of<checked<gdsf>>() == hits_of<gdsf>());
  CHECK_THROWS_AS(hits_of<checked<slip<mistake::goes_on>>>(), contract_error);
}

TEST_CASE("an object cache names a policy that makes no room", "[simulate]")
{
  CHECK_THAT(sentence_of<contract_error>([] { static_cast<void>(hits_of<slip<mistake::nobody>>()); }),
             says("strangers::slip<") && says("names nobody in victims(visit), though it has objects that could go"));
}

static_assert(weighs_costs<checked<gdsf>> == weighs_costs<gdsf> && !weighs_costs<checked<lru>>);

}  // namespace

TEST_CASE("checked policies: conformance", "[replacement]")
{
  kvstrata_test::replacement_conformance<checked<s3_fifo>>({.may_allocate = true});
}

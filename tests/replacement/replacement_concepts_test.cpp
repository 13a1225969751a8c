// The replacement concepts take every model and turn down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include "policies/clock.hpp"

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/shedding.hpp>

#include <string>

namespace {

using namespace kvstrata;

static_assert(replacement_policy<lru> && replacement_policy<example::clock>);
static_assert(!replacement_policy<int>);

/// The smallest model, for one object at a time.
struct smallest
{
  struct hook
  {
  };
  void insert(hook& object, const object_info&) { only = &object; }
  void touch(hook&, const object_info&) {}
  void remove(hook&) noexcept { only = nullptr; }
  template <class Visit>
  void victims(Visit&& visit)
  {
    if (only != nullptr) visit(*only);
  }
  hook* only = nullptr;
};
static_assert(replacement_policy<smallest>);

/// Whoever is derived from one that looks at nothing may look.
struct derived : lru
{
};
static_assert(!looks_at_objects<lru> && looks_at_objects<derived> && looks_at_objects<smallest>);

template <class P>
constexpr bool lacks_only_tracking = has_replacement_hook<P> && !tracks_objects<P> && orders_victims<P> &&
                                     constructible_for_tier<P> && !replacement_policy<P>;
template <class P>
constexpr bool lacks_only_victims =
    tracks_objects<P> && !orders_victims<P> && constructible_for_tier<P> && !replacement_policy<P>;
template <class P>
constexpr bool lacks_only_construction =
    tracks_objects<P> && orders_victims<P> && !constructible_for_tier<P> && !replacement_policy<P>;

struct no_hook : smallest
{
  using hook = void;
};
static_assert(!has_replacement_hook<no_hook> && !replacement_policy<no_hook>);

struct hook_that_must_be_given_something : smallest
{
  struct hook
  {
    explicit hook(int);
  };
};
static_assert(!has_replacement_hook<hook_that_must_be_given_something>);

struct no_base_hook : smallest  // a user's copy derives from its hook
{
  using hook = int*;
  void insert(hook&, const object_info&);
  void touch(hook&, const object_info&);
  void remove(hook&) noexcept;
  template <class Visit>
  void victims(Visit&& visit);
};
static_assert(!has_replacement_hook<no_base_hook> && !replacement_policy<no_base_hook>);

struct sealed_hook : smallest
{
  struct hook final
  {
  };
};
static_assert(!has_replacement_hook<sealed_hook> && !replacement_policy<sealed_hook>);

struct no_insert : smallest
{
  void insert() = delete;
};
static_assert(lacks_only_tracking<no_insert>);

struct inserts_without_info : smallest
{
  void insert(hook&);
};
static_assert(lacks_only_tracking<inserts_without_info>);

struct no_touch : smallest
{
  void touch() = delete;
};
static_assert(lacks_only_tracking<no_touch>);

struct no_remove : smallest
{
  void remove() = delete;
};
static_assert(lacks_only_tracking<no_remove>);

// What ends a life must not throw; that no policy of these is taken is in tests/static/refused.
struct removes_and_may_throw : smallest
{
  void remove(hook&);
};
static_assert(tracks_objects<removes_and_may_throw> && !removes_noexcept<removes_and_may_throw>);

struct hears_and_may_throw : smallest
{
  void changed(hook&, const object_info&);
};
static_assert(hears_of_changes<hears_and_may_throw> && !changes_noexcept<hears_and_may_throw> &&
              removes_noexcept<hears_and_may_throw>);

struct remembers_and_may_throw : smallest
{
  void evict(hook&, const object_info&);
};
static_assert(remembers_evicted<remembers_and_may_throw> && !evicts_noexcept<remembers_and_may_throw> &&
              removes_noexcept<remembers_and_may_throw>);

struct no_victims : smallest
{
  void victims() = delete;
};
static_assert(lacks_only_victims<no_victims>);

struct victims_of_another_type : smallest
{
  void victims(bool (*visit)(std::string&));
};
static_assert(lacks_only_victims<victims_of_another_type>);

struct made_of_a_string : smallest
{
  explicit made_of_a_string(const std::string&);
};
static_assert(lacks_only_construction<made_of_a_string>);

struct made_of_a_size : smallest
{
  explicit made_of_a_size(const tier_size&);
};
static_assert(replacement_policy<made_of_a_size>);

// --- shedding -----------------------------------------------------------------------------------------------------------
static_assert(shedding_policy<evict_front> && shedding_policy<evict_whole>);

struct no_option
{
  static page_count pages_to_shed(page_count, page_count);
};
static_assert(!option<no_option> && !shedding_policy<no_option>);

struct sheds_nothing
{
  using option_kind = shedding_option;
};
static_assert(option<sheds_nothing> && !shedding_policy<sheds_nothing>);

struct sheds_per_object : sheds_nothing
{
  page_count pages_to_shed(page_count, page_count);
};
static_assert(!shedding_policy<sheds_per_object>);

struct another_kind : evict_front
{
  using option_kind = replacement_option;
};
static_assert(option<another_kind> && !shedding_policy<another_kind>);

}  // namespace

TEST_CASE("the smallest replacement policy works with the helpers")
{
  smallest policy = make_replacement<smallest>({});
  smallest::hook object;
  policy.insert(object, {});
  notify_changed(policy, object, {});
  int visits = 0;
  policy.victims([&](smallest::hook&) { return ++visits == 0; });
  REQUIRE(visits == 1);
}

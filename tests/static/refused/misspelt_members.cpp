// Optional members that exist with another signature: each is turned down with a sentence, for nobody would call it.
// With -DKVSTRATA_RIGHT each is as its table says, and all of it compiles.
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/tracker_ref.hpp>
#include <kvstrata/observe/trackers.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/tiers/memory_store.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#ifdef KVSTRATA_RIGHT
#define RIGHT(right, wrong) right
#else
#define RIGHT(right, wrong) wrong
#endif

#define COMMA ,

using namespace kvstrata;

// --- replacement ---
struct remembers : lru
{
  void evict(hook& object RIGHT(COMMA const object_info&, )) noexcept { lru::remove(object); }
};
static_assert(replacement_policy<remembers>);

class listens : public lru
{
  RIGHT(public:, private:)
  void changed(hook&, const object_info&) noexcept {}
};
static_assert(replacement_policy<listens>);

struct asks : lru
{
  using lru::victims;
  template <class Visit>
  void victims(Visit&& visit, RIGHT(const, ) object_info&)
  {
    lru::victims(visit);
  }
};
static_assert(replacement_policy<asks>);

struct visits : lru
{
  template <class Visit>
  void victims(Visit&& visit)
  {
    hook object;
    static_cast<void>(visit(RIGHT(object, &object)));
  }
};
static_assert(replacement_policy<visits>);

// --- admission ---
struct told : always
{
  void requested(RIGHT(const, ) object_info&) noexcept {}
};
static_assert(admission_policy<told>);

// --- trackers ---
struct my_event
{
};
struct hears_a_hit
{
  void on(RIGHT(const, ) user_hit&) noexcept {}
};
static_assert(tracker<hears_a_hit>);

struct hears_my_event
{
  void on(const RIGHT(user_hit, my_event) &) noexcept {}
};
static_assert(tracker<hears_my_event>);

struct has_no_ears RIGHT( : no_tracker, )
{
};
trackers<no_tracker, has_no_ears> several;
trackers<> none;  // composites may be empty
static_assert(tracker<trackers<>> && tracker<trackers<trackers<no_tracker>>> && tracker<tracker_ref<no_tracker>>);

// --- transfer ---
struct engine : per_page_copy
{
  RIGHT(static, ) void check_piece(std::size_t) {}
};
static_assert(transfer_policy<layerwise_transfer<engine>, emulated_device>);

struct split : always_fetch
{
  RIGHT(friend void check(const split&){}, void check() const {})
};
layerwise_transfer<split>::on<emulated_device>* transfer_with_it = nullptr;
static_assert(split_policy<split>);

// --- stores and tiers ---
struct sized_store : memory_store<>::on<emulated_device>
{
  RIGHT(tier_size, std::size_t) size() const;
};
static_assert(bound_store<sized_store>);

struct layered_store : memory_store<>::on<emulated_device>
{
  RIGHT(std::optional<store_promise>, bool)
  get_by_layer(const sequence_key&, const record_header&, token_interval, std::span<const io_piece>, const fence&,
               std::vector<event>&);
};
static_assert(bound_store<layered_store>);

struct named : pinned_arena<>
{
  RIGHT(static constexpr, ) std::string_view name = "mine";
};
static_assert(memory_tier<named, emulated_device>);

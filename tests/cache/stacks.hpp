// Stacks of three and four memories as any_cache: a few compositions, in which each level does what a walk tells it to, so
// that every write policy and both ways of shedding meet on every edge without a compiler having to take the product.
#pragma once

#include "cache/combinations.hpp"
#include "support/toy_codec.hpp"

#include <tiers/mapped_file.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace kvstrata_test {

/// What comes down to a level, and how much of a victim goes from there.
enum class writing : std::uint8_t { page, token, chunk, back, selective, count };
struct level_ways
{
  writing writes = writing::page;  ///< not asked of the slab
  bool whole = false;
};
using stack_ways = kvstrata::by_level<level_ways>;

/// What the levels of a stack do, until it is told otherwise. Not between two calls of a cache.
inline stack_ways ways_now{};

[[nodiscard]] inline std::string to_string(const stack_ways& ways, kvstrata::level_index levels)
{
  static constexpr std::array<std::string_view, 5> names{"page", "token", "chunk", "back", "selective"};
  std::string out;
  for (kvstrata::level_index i = 0; i < levels; ++i) {
    out += i == 0 ? "slab" : ", " + std::string(names.at(static_cast<std::size_t>(ways[i].writes)));
    out += ways[i].whole ? " whole" : " front";
  }
  return out;
}

template <kvstrata::level_index I>
struct told_writes
{
  using option_kind = kvstrata::write_policy_option;
  [[nodiscard]] static kvstrata::token_count flushed_end(const kvstrata::write_facts& f)
  {
    return as([&](auto policy) { return policy.flushed_end(f); });
  }
  [[nodiscard]] static bool writes_back(const kvstrata::write_facts& f)
  {
    return as([&](auto policy) { return policy.writes_back(f); });
  }

 private:
  template <class Use>
  static auto as(Use&& use)
  {
    switch (ways_now[I].writes) {
      case writing::token: return use(kvstrata::token_write_through());
      case writing::chunk: return use(kvstrata::chunk_write_through());
      case writing::back: return use(kvstrata::write_back());
      case writing::selective: return use(kvstrata::selective_write<2>());
      default: return use(kvstrata::page_write_through());
    }
  }
};

template <kvstrata::level_index I>
struct told_shedding
{
  using option_kind = kvstrata::shedding_option;
  [[nodiscard]] static kvstrata::page_count pages_to_shed(kvstrata::page_count resident,
                                                          kvstrata::page_count wanted) noexcept
  {
    return ways_now[I].whole ? kvstrata::evict_whole::pages_to_shed(resident, wanted)
                             : kvstrata::evict_front::pages_to_shed(resident, wanted);
  }
};

/// Pinned memory as level I.
template <kvstrata::level_index I>
struct arena : kvstrata::pinned_arena<told_writes<I>, told_shedding<I>>
{
};
/// The same, with codes.
template <kvstrata::level_index I, class Codec = toy>
struct coded_arena : kvstrata::pinned_arena<told_writes<I>, told_shedding<I>, Codec>
{
};
/// A mapped file as level I.
template <kvstrata::level_index I>
struct file : example::mapped_file<told_shedding<I>>
{
  using writes = told_writes<I>;
  static constexpr std::string_view name = "file";
};

/// A directory of the test's own, gone when it ends.
[[nodiscard]] inline const std::string& scratch_directory()
{
  struct directory
  {
    std::string path = (std::filesystem::temp_directory_path() / "kvstrata-stacks-XXXXXX").string();
    directory()
    {
      if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no directory can be made at " + path);
    }
    ~directory()
    {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const directory mine;
  return mine.path;
}

/// One composition. `Name` says what it varies.
template <class Device, class Name, class Layout, class Up, class Down, class Transfer, class Split, class Limits,
          class... Below>
struct stack
{
  using tiers = kvstrata::tier_stack<kvstrata::device_slab<Device, told_shedding<0>>, Below...>;
  using transfer = typename Transfer::template with<kvstrata::onload_by<typename Up::type>,
                                                    kvstrata::offload_by<typename Down::type>, typename Split::type>;
  using type = kvstrata::cache<tiers, typename Layout::type, transfer, kvstrata::lru, kvstrata::counters>;

  static typename type::config config(const sizes& s)
  {
    typename type::config c{.shape = tiny, .layout = Layout::value, .split = Split::value, .writes = Limits::value};
    set_tiers(c, s);
    if constexpr (transfer::lands_in_window) std::get<0>(c.tiers).window_bytes = s.window * tiny_page_bytes;
    std::apply([](auto&... tier) { (place(tier), ...); }, c.tiers);
    return c;
  }
  static std::unique_ptr<any_cache> make(Device& d, const sizes& s)
  {
    return std::make_unique<some_cache<type>>(d, config(s));
  }

  static facts about(const sizes& s)
  {
    facts f{.name = std::string(Name::name) + ": " + to_string(ways_now, tiers::memories),
            .axes = {Layout::name, Up::name, Down::name, Transfer::name, {}, Split::name, {}, {}, Limits::name},
            .levels = tiers::memories,
            .cuts = !std::same_as<Split, fetch>,
            .bounded_writes = !std::same_as<Limits, unbounded>,
            .window = transfer::lands_in_window,
            .lossy = kvstrata::tracks_exactness<tiers>,
            .kept_stretches = 1,
            .longest = Layout::value.longest_history(),
            .granule = Layout::value.granule_pages()};
    f.set_sizes(s);
    kvstrata::each_level<0, tiers::memories>(
        [&](auto i) { f.frame_bytes[i()] = tiny_frame_bytes<typename tiers::template tier<i()>>(); });
    return f;
  }

 private:
  template <class Config>
  static void place(Config& tier)
  {
    if constexpr (requires { tier.directory; }) tier.directory = scratch_directory();
  }
};

struct three_with_file
{
  static constexpr const char* name = "slab, arena, file; batched copies, cut anywhere";
};
struct three_with_window
{
  static constexpr const char* name = "slab, arena, arena; by window, staged down, bounded writes";
};
struct codes_then_file
{
  static constexpr const char* name = "slab, coded arena, file; batched copies, cut anywhere";
};
struct lossy_then_exact
{
  static constexpr const char* name = "slab, lossy arena, arena; batched copies";
};
struct exact_then_lossy
{
  static constexpr const char* name = "slab, arena, lossy arena; batched copies, cut anywhere";
};
struct codes_twice
{
  static constexpr const char* name = "slab, arena with a window, two coded arenas";
};
struct four_memories
{
  static constexpr const char* name = "slab, arena, arena, file; extents and chunks";
};
struct four_ranges
{
  static constexpr const char* name =
      "slab, three arenas; a range a user, page by page up, kernels down, at once, cut by cost";
};

template <class Device, class... Values>
inline constexpr point_on<Device> any_stack_of{&stack<Device, Values...>::about, &stack<Device, Values...>::make};

}  // namespace kvstrata_test

// How large a cache may be simulated, and how fast: bytes of host memory that the real control plane takes, counted
// allocation by allocation, and requests a second of a core with data switched off.
//
//   scale_bench [--users N] [--requests N] [--gib N] [--only one|tenth|two|long]
//
//   one tier, unit sizes   every user has one page of one token; the device has room for all of them, or for a tenth
//   two tiers              pages of 32 tokens; a user's history is one page, the host has room for all of them, the
//                          device for a tenth
//   one long user          a history of 40,960 tokens in both tiers: what it adds to what one page takes
//
// First the cache is filled, then users ask by a power law. B/frame is what a page of a tier costs whether anybody has it
// or not. A case that would take more than --gib (8) of this process's memory is stopped and says so; --only names one of
// the cases, e.g. --only two --users 100000000 --gib 12.
#include <kvstrata/cache.hpp>
#include <kvstrata/simulate/cache_simulator.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/random.hpp>

#include <malloc.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <new>
#include <string>

namespace {

std::size_t live_bytes = 0;  // of all allocations, as large as the allocator makes them
std::size_t most_bytes = std::numeric_limits<std::size_t>::max();
std::size_t refused_at = 0;  // what there would have been when an allocation was last refused; 0: never

void* counted(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t))
{
  if (bytes > most_bytes || live_bytes > most_bytes - bytes) {
    refused_at = live_bytes + bytes;
    throw std::bad_alloc();
  }
  const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
  void* const at = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, whole)
                                                         : std::malloc(bytes == 0 ? 1 : bytes);
  if (at == nullptr) throw std::bad_alloc();
  live_bytes += malloc_usable_size(at) + sizeof(std::size_t);
  return at;
}

void uncounted(void* at) noexcept
{
  if (at == nullptr) return;
  live_bytes -= malloc_usable_size(at) + sizeof(std::size_t);
  std::free(at);
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t to) { return counted(bytes, static_cast<std::size_t>(to)); }
void* operator new[](std::size_t bytes, std::align_val_t to) { return counted(bytes, static_cast<std::size_t>(to)); }
void operator delete(void* at) noexcept { uncounted(at); }
void operator delete[](void* at) noexcept { uncounted(at); }
void operator delete(void* at, std::size_t) noexcept { uncounted(at); }
void operator delete[](void* at, std::size_t) noexcept { uncounted(at); }
void operator delete(void* at, std::align_val_t) noexcept { uncounted(at); }
void operator delete[](void* at, std::align_val_t) noexcept { uncounted(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { uncounted(at); }
void operator delete[](void* at, std::size_t, std::align_val_t) noexcept { uncounted(at); }

namespace {

using namespace kvstrata;

using one_tier = cache<tier_stack<device_slab<dataless_device>>, paged_layout, layerwise_transfer<>, lru>;
using two_tiers = default_cache<dataless_device>;

/// Of this process's own work: what else the machine does is left out.
double seconds_since(std::clock_t start) { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; }

struct load
{
  std::uint64_t users = 100'000;
  std::uint64_t requests = 0;
  std::uint64_t gib = 8;
  std::string only;

  [[nodiscard]] bool wants(const char* which) const { return only.empty() || only == which; }
};

/// `frames`: of all tiers; `cached`: users who fit. Throws bad_alloc when --gib do not suffice.
template <class Cache>
void fill_and_ask(const char* what, const typename Cache::config& sizes, std::uint64_t frames,
                  std::uint64_t cached_users, const load& l, token_count tokens)
{
  const std::size_t before = live_bytes;
  dataless_device device;
  Cache cache(device, sizes);
  cache_simulator sim(cache, {.warm_up = cached_users});
  const std::size_t empty = live_bytes;
  const auto ask = [&](std::uint64_t user) {
    sim.add({.user = user_id{scatter_bits(user)}, .history_tokens = tokens});
  };
  std::clock_t start = std::clock();
  for (std::uint64_t u = 0; u < cached_users; ++u) ask(u);
  const double filling = seconds_since(start);
  if (refused_at != 0) throw std::bad_alloc();  // whoever caught it served on with less
  const auto cached = static_cast<double>(cache.stats().users);
  const std::size_t filled = live_bytes;
  random_source random(1);
  start = std::clock();
  for (std::uint64_t r = 0; r < l.requests; ++r) {
    const double x = random.uniform();
    ask(static_cast<std::uint64_t>(x * x * x * static_cast<double>(l.users)));
  }
  const double asking = seconds_since(start);
  const simulation_counts counts = sim.counts();
  std::printf("%-34s %11.0f %9.1f %9.1f %9.2f M/s %9.2f M/s %8.1f %%\n", what, cached,
              static_cast<double>(empty - before) / static_cast<double>(frames),
              static_cast<double>(filled - empty) / cached, static_cast<double>(cached_users) / filling / 1e6,
              static_cast<double>(l.requests) / asking / 1e6,
              100.0 * static_cast<double>(counts.levels[0].requests) / static_cast<double>(counts.requests));
}

template <class Cache>
void measure(const char* what, const typename Cache::config& sizes, std::uint64_t frames, std::uint64_t cached_users,
             const load& l, token_count tokens)
{
  most_bytes = l.gib << 30U;
  try {
    fill_and_ask<Cache>(what, sizes, frames, cached_users, l, tokens);
  } catch (const std::bad_alloc&) {
    const auto gib = [](std::size_t bytes) { return static_cast<double>(bytes) / 0x1p30; };
    if (refused_at == 0) {
      std::printf("%-34s stopped: this machine has no more memory\n", what);
    } else {
      std::printf(
          "%-34s stopped: %llu users would take more than the %llu GiB of --gib; the next allocation made it "
          "%.1f GiB\n",
          what, static_cast<unsigned long long>(cached_users), static_cast<unsigned long long>(l.gib), gib(refused_at));
    }
    refused_at = 0;
  }
  most_bytes = std::numeric_limits<std::size_t>::max();
  std::fflush(stdout);
}

two_tiers::config two_tier_sizes(std::uint64_t device_pages, std::uint64_t host_pages)
{
  two_tiers::config c{.shape = {.layers = 8, .kv_heads = 4, .head_dim = 128}};
  const std::size_t page = page_bytes(c.shape, c.layout.page_tokens);
  std::get<0>(c.tiers).bytes = device_pages * page;
  std::get<1>(c.tiers).bytes = host_pages * page;
  return c;
}

void measure_long_user()
{
  dataless_device device;
  two_tiers cache(device, two_tier_sizes(2'000, 4'000));
  cache_simulator sim(cache);
  sim.add({.user = user_id{1}, .history_tokens = 32});
  const std::size_t before = live_bytes;
  sim.add({.user = user_id{2}, .history_tokens = 32});
  const std::size_t small = live_bytes;
  sim.add({.user = user_id{3}, .history_tokens = 40'960});
  sim.add({.user = user_id{3}, .history_tokens = 40'960});
  const std::size_t large = live_bytes;
  std::printf(
      "a user of 40,960 tokens in both tiers: %.2f kB (of one page: %.2f kB); buffers that are used again included\n",
      static_cast<double>(large - small) / 1e3, static_cast<double>(small - before) / 1e3);
}

constexpr const char* usage = "scale_bench [--users N] [--requests N] [--gib N] [--only one|tenth|two|long]";

[[noreturn]] void refuse(const std::string& sentence)
{
  std::fprintf(stderr, "scale_bench: %s\n%s\n", sentence.c_str(), usage);
  std::exit(2);
}

std::uint64_t number(const std::string& text, const std::string& option, std::uint64_t most)
{
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text.c_str(), &end, 10);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || errno != 0 || value == 0 || value > most) {
    refuse(option + " is " + text + ", but it must be a number from 1 to " + std::to_string(most) + ".");
  }
  return value;
}

load parse(int argc, char** argv)
{
  load l;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (option != "--users" && option != "--requests" && option != "--gib" && option != "--only") {
      refuse("there is no option " + option + ".");
    }
    if (i + 1 == argc) refuse(option + " wants a value.");
    const std::string value = argv[i + 1];
    if (option == "--users") l.users = number(value, option, 200'000'000);
    else if (option == "--requests") l.requests = number(value, option, 10'000'000'000);
    else if (option == "--gib") l.gib = number(value, option, 4096);
    else if (value != "one" && value != "tenth" && value != "two" && value != "long") {
      refuse("--only is " + value + ", but it must be one, tenth, two or long.");
    } else l.only = value;
  }
  if (l.requests == 0) l.requests = l.users;
  return l;
}

}  // namespace

int main(int argc, char** argv)
{
  const load l = parse(argc, argv);
  std::printf("%llu users\n%-34s %11s %9s %9s %13s %13s %10s\n", static_cast<unsigned long long>(l.users), "", "cached",
              "B/frame", "B/user", "filling", "asking", "hits");
  const auto all = static_cast<page_count>(l.users);
  const auto tenth = static_cast<page_count>(l.users / 10 + 1);
  if (l.wants("one")) measure<one_tier>("one tier, unit sizes, all fit", unit_sizes<one_tier>(all), all, all, l, 1);
  if (l.wants("tenth")) {
    measure<one_tier>("one tier, unit sizes, a tenth fits", unit_sizes<one_tier>(tenth), tenth, tenth, l, 1);
  }
  if (l.wants("two")) {
    measure<two_tiers>("two tiers, a tenth on the device", two_tier_sizes(tenth, all), std::uint64_t{all} + tenth, all,
                       l, 32);
  }
  if (l.wants("long")) measure_long_user();
}

// An arena's memory comes from the NUMA node that it is told: as the system says of it, before it is touched and afterwards.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/numa.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using arena = pinned_arena<>::on<emulated_device>;
constexpr std::size_t frame_bytes = 4096;
constexpr std::uint32_t absent = 1023;

/// The policy of a thread, or of a place in memory: 0 default, 1 preferred, 2 bound; empty where the system does not tell.
[[nodiscard]] std::optional<int> policy_of([[maybe_unused]] const std::byte* at = nullptr)
{
#ifdef __linux__
  int mode = 0;
  constexpr unsigned long by_address = 2;
  if (::syscall(SYS_get_mempolicy, &mode, nullptr, 0UL, at, at != nullptr ? by_address : 0UL) == 0) return mode;
#endif
  return std::nullopt;
}

}  // namespace

TEST_CASE("an arena comes from the NUMA node that it is told, and nothing else does", "[tiers][numa]")
{
  if (const std::string why = why_not_numa_node(0); !why.empty()) SKIP_TEST(why);
  emulated_device device;
  const std::optional<int> before = policy_of();
  const arena anywhere(device, {.bytes = 16 * frame_bytes}, frame_bytes);
  CHECK(policy_of(anywhere.data()) == 0);
  const arena here(device, {.bytes = 16 * frame_bytes, .numa_node = 0}, frame_bytes);
  CHECK(policy_of(here.data()) == 1);
  CHECK(policy_of(here.data() + 15 * frame_bytes) == 1);
  const arena only_here(device, {.bytes = 16 * frame_bytes, .numa_node = 0, .numa_required = true}, frame_bytes);
  CHECK(policy_of(only_here.data()) == 2);
  *only_here.data() = std::byte{1};  // and it can be had
  CHECK(policy_of() == before);
}

TEST_CASE("threads that touch memory for an allocation take its node over", "[tiers][numa]")
{
  if (const std::string why = why_not_numa_node(0); !why.empty()) SKIP_TEST(why);
  const std::optional<int> before = policy_of();
  std::optional<int> helper;
  {
    const numa_scope scope(0, true);
    CHECK(policy_of() == 2);
    std::thread([&helper] { helper = policy_of(); }).join();
  }
  CHECK(helper == 2);
  CHECK(policy_of() == before);
}

TEST_CASE("a NUMA node that cannot be had is a sentence, or a refusal where it is required", "[tiers][numa]")
{
  const std::string why = why_not_numa_node(absent);
  REQUIRE_FALSE(why.empty());
  if (why_not_numa_node(0).empty()) CHECK(why == "this machine has no NUMA node 1023 with memory");
  CHECK_FALSE(why_not_numa_node(4'000'000'000).empty());
  emulated_device device;
  const arena elsewhere(device, {.bytes = frame_bytes, .numa_node = absent}, frame_bytes);
  *elsewhere.data() = std::byte{1};
  CHECK(elsewhere.capacity() == 1);
  CHECK(sentence_of<config_error>([&] {
          const arena refused(device, {.bytes = frame_bytes, .numa_node = absent, .numa_required = true}, frame_bytes);
        }) == "arena.numa_node is 1023, but it is required, and " + why);
}

// Which NUMA node memory comes from, by the system's own calls. Memory comes from a node when it is touched first: so a node is
// said to the thread that allocates it, and to what it has allocated, before anybody writes there.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// A set of nodes, as the system's calls take it.
class numa_nodes
{
 public:
  static constexpr std::uint32_t most = 1024;

  numa_nodes() = default;
  explicit numa_nodes(std::uint32_t node) noexcept
  {
    if (node < most) words_[node / word_bits] = 1UL << node % word_bits;
  }
  [[nodiscard]] unsigned long* words() noexcept { return words_.data(); }

 private:
  static constexpr std::uint32_t word_bits = sizeof(unsigned long) * CHAR_BIT;
  std::array<unsigned long, most / word_bits> words_{};
};

/// As in <linux/mempolicy.h>: from these nodes if they have memory, or from these and else fail.
enum class numa_mode : int { preferred = 1, bound = 2 };

/// The numbers of errno; 0: done.
[[nodiscard]] inline int set_thread_policy([[maybe_unused]] int mode, [[maybe_unused]] numa_nodes nodes) noexcept
{
#ifdef __linux__
  return ::syscall(SYS_set_mempolicy, mode, nodes.words(), numa_nodes::most + 1UL) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}
[[nodiscard]] inline int get_thread_policy([[maybe_unused]] int& mode, [[maybe_unused]] numa_nodes& nodes) noexcept
{
#ifdef __linux__
  return ::syscall(SYS_get_mempolicy, &mode, nodes.words(), numa_nodes::most + 1UL, nullptr, 0UL) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}
[[nodiscard]] inline int set_memory_policy([[maybe_unused]] std::byte* at, [[maybe_unused]] std::size_t bytes,
                                           [[maybe_unused]] int mode, [[maybe_unused]] numa_nodes nodes) noexcept
{
#ifdef __linux__
  return ::syscall(SYS_mbind, at, bytes, mode, nodes.words(), numa_nodes::most + 1UL, 0U) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}

}  // namespace detail

/// While it lives, memory that this thread touches first comes from a node, and what threads touch that it starts meanwhile.
/// Where the system refuses that, nothing changes. For one thread.
class numa_scope
{
 public:
  /// `only`: from no other node, even if that one has no memory left.
  numa_scope(std::uint32_t node, bool only) noexcept
  {
    const auto mode = static_cast<int>(only ? detail::numa_mode::bound : detail::numa_mode::preferred);
    fault_ = node >= detail::numa_nodes::most ? EINVAL : detail::get_thread_policy(mode_, nodes_);
    if (fault_ == 0) fault_ = detail::set_thread_policy(mode, detail::numa_nodes(node));
  }
  numa_scope(const numa_scope&) = delete;
  numa_scope& operator=(const numa_scope&) = delete;
  ~numa_scope()
  {
    if (fault_ == 0) static_cast<void>(detail::set_thread_policy(mode_, nodes_));
  }

  /// The number of errno for what the system refused; 0: it did not.
  [[nodiscard]] int fault() const noexcept { return fault_; }

 private:
  int fault_ = 0;
  int mode_ = 0;  // as it was
  detail::numa_nodes nodes_;
};

/// Memory comes from that node where nobody has touched it yet. `at` begins a page of the system's. False where the system
/// refuses.
inline bool place_on_numa_node(std::byte* at, std::size_t bytes, std::uint32_t node, bool only) noexcept
{
  const auto mode = static_cast<int>(only ? detail::numa_mode::bound : detail::numa_mode::preferred);
  return node < detail::numa_nodes::most && detail::set_memory_policy(at, bytes, mode, detail::numa_nodes(node)) == 0;
}

/// Why memory cannot come from that node, to follow "because"; empty: it can. The system is asked.
[[nodiscard]] inline std::string why_not_numa_node(std::uint32_t node)
{
  const numa_scope tried(node, false);
  if (tried.fault() == 0) return {};
  if (tried.fault() == EINVAL) return "this machine has no NUMA node " + std::to_string(node) + " with memory";
  return std::string("the system refuses to say where memory comes from: ") + std::strerror(tried.fault());
}

}  // namespace kvstrata

// Nodes that have numbers and stay where they are, in pieces: some are in use, and those that were given up come first again.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Node` has a member `std::uint32_t next`, which is the pool's while the node is not in use. Every operation O(1); allocates
/// when a new one is taken from it and its last piece is used up. Not synchronised.
template <class Node>
class node_pool
{
 public:
  /// Numbers are from 1 on.
  static constexpr std::uint32_t nobody = 0;

  [[nodiscard]] Node& at(std::uint32_t number) const noexcept
  {
    return pieces_[number / piece_nodes][number % piece_nodes];
  }

  /// The number of a node that is not in use, and is from now on. Room is made for no more than `most` of them, until that
  /// is not enough. Throws std::bad_alloc.
  [[nodiscard]] std::uint32_t take(std::uint64_t most)
  {
    if (free_ != nobody) return std::exchange(free_, at(free_).next);
    if (unused_ == 0) add_piece(most);
    --unused_;
    return next_++;
  }
  void give_up(std::uint32_t number) noexcept { at(number).next = std::exchange(free_, number); }

  [[nodiscard]] std::size_t bytes() const noexcept
  {
    return nodes_ * sizeof(Node) + pieces_.size() * sizeof(pieces_.front());
  }

 private:
  static constexpr std::size_t piece_nodes = 128;

  [[gnu::noinline]] void add_piece(std::uint64_t most)
  {
    const std::uint64_t missing = most >= nodes_ ? most - nodes_ + 1 : piece_nodes;
    const auto count = static_cast<std::size_t>((std::min)(missing, std::uint64_t{piece_nodes}));
    const std::size_t first = pieces_.empty() ? 1 : 0;
    pieces_.push_back(std::make_unique<Node[]>((std::max)(count, first + 1)));
    nodes_ += (std::max)(count, first + 1);
    next_ = static_cast<std::uint32_t>((pieces_.size() - 1) * piece_nodes + first);
    unused_ = (std::max)(count, first + 1) - first;
  }

  std::vector<std::unique_ptr<Node[]>> pieces_;  // the very first node is nobody's
  std::size_t nodes_ = 0;                        // in all of them
  std::size_t unused_ = 0;                       // nodes at the end of the last piece that were never used ...
  std::uint32_t next_ = 0;                       // ... and the number of the first of these
  std::uint32_t free_ = nobody;                  // the first of those that were given up
};

}  // namespace kvstrata

// Finds the numbers of objects by their keys: chains of numbers, at most one object for four of them, so that a look nearly
// always ends where it begins, and what it finds can be foreseen. A wrong guess costs more than all the rest of a look.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A number is from 1 to 2^32 - 1. `At` is called with a number and gives the object, which has members `key` and
/// `std::uint32_t next`; the latter is the index's while the object is in it. Every operation O(1) on average, also where
/// keys are blocks or multiples of something. 16 to 32 bytes for each object; only growth allocates. Not synchronised.
class key_index
{
 public:
  static constexpr std::uint32_t nobody = 0;

  /// Nobody, when no object has this key.
  template <class At>
  [[nodiscard]] std::uint32_t find(std::uint64_t key, const At& at) const noexcept
  {
    std::uint32_t number = first_[place(key)];
    while (number != nobody && at(number).key != key) number = at(number).next;
    return number;
  }

  /// The first that find() would look at, or nobody.
  [[nodiscard]] std::uint32_t first(std::uint64_t key) const noexcept { return first_[place(key)]; }
  /// Asks the memory for where the key is looked for.
  void prefetch(std::uint64_t key) const noexcept
  {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(&first_[place(key)]);
#else
    static_cast<void>(key);
#endif
  }

  /// Nobody with the object's key is in the index. Throws std::bad_alloc, or std::length_error for more than 2^30 objects,
  /// and then nothing has changed.
  template <class At>
  void insert(std::uint32_t number, const At& at)
  {
    if (4 * size_ > mask_) grow(at);
    link(number, at);
    ++size_;
  }

  /// Takes out the object, which is there, and says its number.
  template <class Object, class At>
  std::uint32_t erase(const Object& object, const At& at) noexcept
  {
    std::uint32_t* link = &first_[place(object.key)];
    while (&at(*link) != &object) link = &at(*link).next;
    const std::uint32_t number = *link;
    *link = object.next;
    --size_;
    return number;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Without the links in the objects.
  [[nodiscard]] std::size_t bytes() const noexcept { return (mask_ + 1) * sizeof(std::uint32_t); }

 private:
  static constexpr std::size_t fewest = 64;

  /// By upper bits: these depend on all of the key's.
  [[nodiscard]] std::size_t place(std::uint64_t key) const noexcept
  {
    key ^= key >> 32U;
    key *= 0x9e3779b97f4a7c15;
    return key >> shift_;
  }

  template <class At>
  void link(std::uint32_t number, const At& at) noexcept
  {
    auto& object = at(number);
    std::uint32_t& first = first_[place(object.key)];
    object.next = first;
    first = number;
  }

  template <class At>
  [[gnu::noinline]] void grow(const At& at)
  {
    const std::size_t before = mask_ + 1;
    if (before > std::size_t{1} << 31U) throw std::length_error("key_index: it cannot hold more than 2^30 objects");
    auto larger = std::make_unique<std::uint32_t[]>(2 * before);
    larger.swap(first_);
    mask_ = 2 * before - 1;
    --shift_;
    for (std::size_t i = 0; i < before; ++i) {
      for (std::uint32_t number = larger[i]; number != nobody;) {
        const std::uint32_t after = at(number).next;
        link(number, at);
        number = after;
      }
    }
  }

  std::size_t mask_ = fewest - 1;
  std::uint32_t shift_ = 64 - std::bit_width(fewest - 1);
  std::size_t size_ = 0;
  std::unique_ptr<std::uint32_t[]> first_ = std::make_unique<std::uint32_t[]>(fewest);  // of each chain
};

}  // namespace kvstrata

// Finds objects by their keys. Chains run through the objects: only growth allocates, and the index takes 5 to 11 bytes
// an object beside the link in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace kvstrata {

/// An Object has members `std::uint64_t key` and `Object* next`; the latter is the index's while the object is in it,
/// and the object stays where it is meanwhile. The index owns none. Every operation O(1) on average, also where keys
/// are blocks or multiples of something. Not synchronised.
template <class Object>
class key_index
{
 public:
  /// Null when nobody has this key.
  [[nodiscard]] Object* find(std::uint64_t key) const noexcept
  {
    Object* one = buckets_[place(key)];
    while (one != nullptr && one->key != key) one = one->next;
    return one;
  }

  /// Nobody with the object's key is in the index. Throws std::bad_alloc, and then nothing has changed.
  void insert(Object& object)
  {
    if (size_ == limit_) grow();
    link(object);
    ++size_;
  }

  /// The object is in the index.
  void erase(Object& object) noexcept
  {
    Object** at = &buckets_[place(object.key)];
    while (*at != &object) at = &(*at)->next;
    *at = object.next;
    --size_;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Without the links in the objects.
  [[nodiscard]] std::size_t bytes() const noexcept { return (mask_ + 1) * sizeof(Object*); }

 private:
  [[nodiscard]] std::size_t place(std::uint64_t key) const noexcept
  {
    key ^= key >> 32U;
    key *= 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(key ^ key >> 32U) & mask_;
  }

  void link(Object& object) noexcept
  {
    Object*& first = buckets_[place(object.key)];
    object.next = first;
    first = &object;
  }

  void grow()
  {
    const std::size_t before = mask_ + 1;
    auto larger = std::make_unique<Object*[]>(2 * before);
    larger.swap(buckets_);
    mask_ = 2 * before - 1;
    limit_ = 3 * before;
    for (std::size_t i = 0; i < before; ++i) {
      for (Object* one = larger[i]; one != nullptr;) {
        Object* const after = one->next;
        link(*one);
        one = after;
      }
    }
  }

  std::size_t mask_ = 15;
  std::size_t limit_ = 24;  // one and a half objects a bucket
  std::size_t size_ = 0;
  std::unique_ptr<Object*[]> buckets_ = std::make_unique<Object*[]>(16);
};

}  // namespace kvstrata

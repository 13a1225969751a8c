// Records that stay where they are, in blocks, without an allocation each; and lines of them, linked by their numbers.
#pragma once

#include <kvstrata/books/entry.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Records of type T, which have a T* `next_unused` while nobody has them, and perhaps a `number`. As many as there were at
/// a time are kept, and used again. Not synchronised. O(1) a call on the average.
template <class T>
class record_pool
{
 public:
  record_pool() = default;
  record_pool(const record_pool&) = delete;
  record_pool& operator=(const record_pool&) = delete;

  /// One that nobody has, as it was made or given back.
  [[nodiscard]] T& take()
  {
    if (unused_ == nullptr) grow();
    return *std::exchange(unused_, unused_->next_unused);
  }
  /// It stands in no line.
  void give_back(T& record) noexcept { record.next_unused = std::exchange(unused_, &record); }

  [[nodiscard]] T& operator[](std::uint32_t number) const noexcept
  {
    return blocks_[number / block_records][number % block_records];
  }

 private:
  static constexpr std::uint32_t block_records = 64;

  void grow()
  {
    if (blocks_.size() == blocks_.capacity()) blocks_.reserve(blocks_.size() + 1 + blocks_.size() / 4);
    auto made = std::make_unique<T[]>(block_records);
    for (std::uint32_t i = block_records; i-- != 0;) {
      if constexpr (requires { made[i].number; }) {
        made[i].number = static_cast<std::uint32_t>(blocks_.size()) * block_records + i;
      }
      give_back(made[i]);
    }
    blocks_.push_back(std::move(made));
  }

  std::vector<std::unique_ptr<T[]>> blocks_;
  T* unused_ = nullptr;
};

/// Records of one pool that have pool_links `place`, in the order of joining. O(1) a call. Not synchronised.
template <class T>
class pool_line
{
 public:
  explicit pool_line(const record_pool<T>& records) : records_(&records) {}
  pool_line(const pool_line&) = delete;
  pool_line& operator=(const pool_line&) = delete;

  void push_back(T& record) noexcept
  {
    record.place = {last_, pool_links::none};
    next_of(last_) = record.number;
    last_ = record.number;
  }
  /// Of one that stands in this line.
  void remove(T& record) noexcept
  {
    const pool_links at = record.place;
    next_of(at.before) = at.next;
    before_of(at.next) = at.before;
  }
  /// All of another line come behind these.
  void take_all(pool_line& other) noexcept
  {
    if (other.first_ == pool_links::none) return;
    next_of(last_) = other.first_;
    (*records_)[other.first_].place.before = last_;
    last_ = std::exchange(other.last_, pool_links::none);
    other.first_ = pool_links::none;
  }
  /// Calls visit(record) -> bool from the first on, until it returns false. `visit` may take the record out.
  template <class Visit>
  void each_while(Visit&& visit) const
  {
    for (std::uint32_t at = first_; at != pool_links::none;) {
      T& record = (*records_)[at];
      at = record.place.next;
      if (!visit(record)) return;
    }
  }

 private:
  [[nodiscard]] std::uint32_t& next_of(std::uint32_t number) noexcept
  {
    return number == pool_links::none ? first_ : (*records_)[number].place.next;
  }
  [[nodiscard]] std::uint32_t& before_of(std::uint32_t number) noexcept
  {
    return number == pool_links::none ? last_ : (*records_)[number].place.before;
  }

  const record_pool<T>* records_;
  std::uint32_t first_ = pool_links::none;
  std::uint32_t last_ = pool_links::none;
};

}  // namespace kvstrata

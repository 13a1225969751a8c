// The baseline: a control plane as one writes it first. Every page on its own in a std::list for recency, found through
// a std::unordered_map, evicted one by one, and one copy call a page and layer.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <unordered_map>
#include <vector>

namespace bench {

class naive_control_plane
{
 public:
  using copy_function = std::function<void(std::uint32_t layer, std::int32_t page)>;

  naive_control_plane(std::uint32_t pages, std::uint32_t page_tokens, std::uint32_t layers)
      : page_tokens_(page_tokens), layers_(layers)
  {
    for (std::uint32_t page = pages; page-- > 0;) free_.push_back(static_cast<std::int32_t>(page));
  }

  /// Finds or brings in all pages of one user's history; pages in `stored` are copied up, layer by layer.
  void prepare(std::uint64_t user, std::uint32_t history, const copy_function& copy)
  {
    table_.clear();
    missing_.clear();
    const std::uint32_t count = (history + page_tokens_ - 1) / page_tokens_;
    for (std::uint32_t index = 0; index < count; ++index) {
      const std::uint64_t key = user << 20U | index;
      const auto it = where_.find(key);
      if (it != where_.end()) {
        recency_.splice(recency_.end(), recency_, it->second);
        table_.push_back(it->second->page);
        continue;
      }
      if (free_.empty()) {
        free_.push_back(recency_.front().page);
        where_.erase(recency_.front().key);
        recency_.pop_front();
      }
      const std::int32_t page = free_.back();
      free_.pop_back();
      where_[key] = recency_.insert(recency_.end(), {key, page});
      table_.push_back(page);
      if (stored_.count(key) != 0) missing_.push_back(page);
      stored_[key] = true;
    }
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      for (const std::int32_t page : missing_) copy(layer, page);
    }
  }

  [[nodiscard]] const std::vector<std::int32_t>& table() const noexcept { return table_; }

 private:
  struct resident
  {
    std::uint64_t key;
    std::int32_t page;
  };

  std::uint32_t page_tokens_;
  std::uint32_t layers_;
  std::vector<std::int32_t> free_, table_, missing_;
  std::list<resident> recency_;
  std::unordered_map<std::uint64_t, std::list<resident>::iterator> where_;
  std::unordered_map<std::uint64_t, bool> stored_;
};

}  // namespace bench

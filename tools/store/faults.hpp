// What is wrong with a store, in sentences: all are counted, the first ones kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace store_tool {

struct fault_list
{
  static constexpr std::size_t most_kept = 20;

  std::uint64_t count = 0;
  std::vector<std::string> sentences;  ///< without a full stop

  void add(std::string sentence)
  {
    ++count;
    if (sentences.size() < most_kept) sentences.push_back(std::move(sentence));
  }
};

}  // namespace store_tool

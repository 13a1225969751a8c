// Free frames at 1.2 bits each: for memories, which have many.
//
// A bit a frame, and over it a tree: every node speaks of eight words, or of eight nodes, and knows how many free frames it
// begins with, with how many it ends, and its longest run. So a run that is long enough is found on one way down, the first
// there is, wherever it lies. The last free run, if it reaches to the end, is not in the tree: while a memory fills, nearly
// all that is taken is taken there.
#pragma once

#include <kvstrata/tiers/frame_run.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. O(log frames) a call, and the words of the run. Nothing allocates after construction.
class free_bits
{
 public:
  /// The first frames of a free run.
  struct place
  {
    frame_run run;
  };

  explicit free_bits(page_count capacity) : capacity_(capacity)
  {
    std::size_t nodes = capacity / node_frames + 1;
    words_.assign(nodes * fan, 0);
    std::size_t all = 0;
    for (;; nodes = (nodes + fan - 1) / fan) {
      level_[levels_++] = {all, nodes};
      all += nodes;
      if (nodes == 1) break;
    }
    nodes_.assign(all, {});
  }

  [[nodiscard]] page_count capacity() const noexcept { return capacity_; }

  /// Of the first run that is long enough, else of the first that is the longest.
  [[nodiscard]] std::optional<place> find(page_count most) const noexcept
  {
    const page_count here = nodes_.back().longest;
    const page_count behind = capacity_ - open_;
    const page_count wanted = (std::min)(most, (std::max)(here, behind));
    if (wanted == 0) return std::nullopt;
    return place{{here >= wanted ? find_run(wanted) : open_, wanted}};
  }

  /// Takes the first frames of what was found, at least one.
  void take(const place& found, page_count count) noexcept
  {
    if (found.run.first == open_) open_ += count;
    else change({found.run.first, count}, [](std::uint64_t& word, std::uint64_t bits) { word &= ~bits; });
  }

  /// Frames that were taken come back.
  void put(frame_run run) noexcept
  {
    if (run.count == 0) return;
    if (run.end() != open_) return change(run, [](std::uint64_t& word, std::uint64_t bits) { word |= bits; });
    open_ = run.first;
    const page_count more = free_before(open_);
    if (more == 0) return;
    open_ -= more;
    change({open_, more}, [](std::uint64_t& word, std::uint64_t bits) { word &= ~bits; });
  }

  /// What it allocated.
  [[nodiscard]] std::size_t bytes() const noexcept
  {
    return words_.capacity() * sizeof(std::uint64_t) + nodes_.capacity() * sizeof(summary);
  }

 private:
  static constexpr page_count word_frames = 64;
  static constexpr page_count fan = 8;
  static constexpr page_count node_frames = fan * word_frames;
  static constexpr std::size_t most_levels = 9;  // 512 * 8^8 frames are more than a page_count can tell

  /// Of the free frames of a part.
  struct summary
  {
    page_count front = 0;  // it begins with
    page_count back = 0;   // it ends with
    page_count longest = 0;

    friend bool operator==(const summary&, const summary&) = default;
  };
  struct tree_level
  {
    std::size_t first = 0;  // of its nodes
    std::size_t nodes = 0;
  };

  [[nodiscard]] static page_count longest_run(std::uint64_t bits) noexcept
  {
    page_count longest = 0;
    while (bits != 0) {
      bits >>= std::countr_zero(bits);
      const auto length = static_cast<page_count>(std::countr_one(bits));
      longest = (std::max)(longest, length);
      bits &= bits + 1;
    }
    return longest;
  }
  /// The bits at which so many bits begin; none where they reach beyond the word.
  [[nodiscard]] static std::uint64_t starts_of(std::uint64_t bits, page_count count) noexcept
  {
    if (count > word_frames) return 0;
    page_count have = 1;
    for (; have * 2 <= count; have *= 2) bits &= bits >> have;
    return bits & bits >> (count - have);
  }

  /// Free frames of the tree that end in front of `frame`. O(words that they fill).
  [[nodiscard]] page_count free_before(page_count frame) const noexcept
  {
    page_count count = 0;
    while (frame != 0) {
      const page_count in_word = (frame - 1) % word_frames + 1;
      const auto here =
          static_cast<page_count>(std::countl_one(words_[(frame - 1) / word_frames] << (word_frames - in_word)));
      count += (std::min)(here, in_word);
      if (here < in_word) break;
      frame -= in_word;
    }
    return count;
  }

  /// Calls each(word, bits of it) for the words of a run, and puts the nodes above them right.
  template <class Each>
  void change(frame_run run, Each&& each) noexcept
  {
    const std::size_t last = (run.end() - 1) / word_frames;
    std::size_t at = run.first / word_frames;
    std::uint64_t bits = ~std::uint64_t{0} << run.first % word_frames;
    for (; at != last; ++at, bits = ~std::uint64_t{0}) each(words_[at], bits);
    each(words_[last], bits & ~std::uint64_t{0} >> (word_frames - 1 - (run.end() - 1) % word_frames));
    note(run);
  }

  /// Frames have changed: so have the nodes above them.
  void note(frame_run run) noexcept
  {
    std::size_t first = run.first / node_frames;
    std::size_t last = (run.end() - 1) / node_frames;
    bool changed = false;
    for (std::size_t node = first; node <= last; ++node) changed |= set(node, of_words(node));
    page_count frames = node_frames;
    for (std::size_t level = 1; level != levels_ && changed; ++level, frames *= fan) {
      first /= fan;
      last /= fan;
      changed = false;
      for (std::size_t node = first; node <= last; ++node) {
        changed |= set(level_[level].first + node, of_nodes(level - 1, node, frames));
      }
    }
  }
  bool set(std::size_t node, const summary& now) noexcept
  {
    if (nodes_[node] == now) return false;
    nodes_[node] = now;
    return true;
  }

  /// Parts that follow each other, put together.
  struct joined
  {
    void add(const summary& part, page_count frames) noexcept
    {
      if (part.front == frames) {
        run += frames;
        return;
      }
      longest = (std::max)({longest, run + part.front, part.longest});
      if (whole) front = run + part.front;
      whole = false;
      run = part.back;
    }
    [[nodiscard]] summary all() const noexcept { return {whole ? run : front, run, (std::max)(longest, run)}; }

    page_count run = 0;  // that is open at the end
    page_count front = 0;
    page_count longest = 0;
    bool whole = true;
  };

  [[nodiscard]] summary of_words(std::size_t node) const noexcept
  {
    joined all;
    for (const std::uint64_t* word = &words_[node * fan]; word != &words_[node * fan] + fan; ++word) {
      if (*word == 0) {
        all.add({}, word_frames);
      } else if (*word == ~std::uint64_t{0}) {
        all.add({word_frames, word_frames, word_frames}, word_frames);
      } else {
        const auto free = static_cast<page_count>(std::popcount(*word));
        all.add({static_cast<page_count>(std::countr_one(*word)), static_cast<page_count>(std::countl_one(*word)),
                 free > all.longest ? longest_run(*word) : 0},
                word_frames);
      }
    }
    return all.all();
  }
  [[nodiscard]] summary of_nodes(std::size_t level, std::size_t parent, page_count frames) const noexcept
  {
    joined all;
    const std::size_t end = (std::min)((parent + 1) * fan, level_[level].nodes);
    for (std::size_t node = parent * fan; node < end; ++node) all.add(nodes_[level_[level].first + node], frames);
    return all.all();
  }

  /// Where the first run of so many frames begins; there is one.
  [[nodiscard]] page_count find_run(page_count wanted) const noexcept
  {
    std::size_t parent = 0;
    page_count frames = node_frames;
    for (std::size_t level = 2; level < levels_; ++level) frames *= fan;
    for (std::size_t level = levels_ - 1; level-- != 0; frames /= fan) {
      page_count before = 0;  // free frames in front of the node
      for (std::size_t node = parent * fan;; ++node) {
        const summary& part = nodes_[level_[level].first + node];
        const auto first = static_cast<page_count>(node) * frames;
        if (before + part.front >= wanted) return first - before;
        if (part.longest >= wanted) {
          parent = node;
          break;
        }
        before = part.front == frames ? before + frames : part.back;
      }
    }
    page_count before = 0;
    for (std::size_t at = parent * fan;; ++at) {
      const std::uint64_t word = words_[at];
      const auto first = static_cast<page_count>(at) * word_frames;
      const auto front = static_cast<page_count>(std::countr_one(word));
      if (before + front >= wanted) return first - before;
      if (const std::uint64_t starts = starts_of(word, wanted); starts != 0) {
        return first + static_cast<page_count>(std::countr_zero(starts));
      }
      before = front == word_frames ? before + front : static_cast<page_count>(std::countl_one(word));
    }
  }

  page_count capacity_;
  page_count open_ = 0;               // from here on all is free, and not in the tree; the frame before is taken
  std::vector<std::uint64_t> words_;  // set: free
  std::vector<summary> nodes_;        // level upon level
  std::array<tree_level, most_levels> level_{};
  std::size_t levels_ = 0;
};

}  // namespace kvstrata

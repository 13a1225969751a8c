// Asks a store for all that an oracle knows of, reads it, and says what is not as it must be. Records have bytes that follow
// from sequence, life and token.
#pragma once

#include "support/toy_codec.hpp"
#include "tiers/nvme/crash_oracle.hpp"

#include <kvstrata/tiers/stores/concepts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// How a record lies in memory.
struct record_shape
{
  kvstrata::token_count page_tokens = 4;
  std::size_t token_bytes = 64;  ///< a multiple of 8

  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_tokens * token_bytes; }
};

/// Eight bytes of a token: others in each life of each sequence. Most have the toy codec's code (support/toy_codec.hpp).
[[nodiscard]] inline std::uint64_t word_of(const kvstrata::sequence_key& key, const kvstrata::record_header& life,
                                           kvstrata::token_count token, std::size_t i) noexcept
{
  std::uint64_t x = 0x243f6a8885a308d3U;
  for (const std::uint64_t part : {std::uint64_t{key.space}, key.id, to_number(life.incarnation), to_number(life.epoch),
                                   static_cast<std::uint64_t>(life.format), std::uint64_t{token}, std::uint64_t{i}}) {
    x = (x ^ part) * 0x9e3779b97f4a7c15U;
    x ^= x >> 29U;
  }
  return toy_row(x);
}

/// Writes the pages of a record; what of a page it has not is noise.
inline void write_record(std::byte* at, const record_shape& shape, const kvstrata::sequence_key& key,
                         const kvstrata::record_header& header)
{
  const kvstrata::page_interval pages = header.pages();
  for (kvstrata::token_count t = pages.begin * shape.page_tokens; t < pages.end * shape.page_tokens; ++t) {
    for (std::size_t i = 0; i < shape.token_bytes / 8; ++i, at += 8) {
      const std::uint64_t word = header.tokens.contains(t) ? word_of(key, header, t, i) : 0x5b5b5b5b5b5b5b5bU;
      std::memcpy(at, &word, 8);
    }
  }
}
[[nodiscard]] inline bool shows_record(const std::byte* at, const record_shape& shape,
                                       const kvstrata::sequence_key& key, const kvstrata::record_header& life,
                                       kvstrata::token_interval tokens)
{
  const kvstrata::page_interval pages = kvstrata::pages_of(tokens, shape.page_tokens);
  for (kvstrata::token_count t = tokens.begin; t < tokens.end; ++t) {
    const std::byte* const token = at + (t - pages.begin * shape.page_tokens) * shape.token_bytes;
    for (std::size_t i = 0; i < shape.token_bytes / 8; ++i) {
      const std::uint64_t word = word_of(key, life, t, i);
      if (std::memcmp(token + i * 8, &word, 8) != 0) return false;
    }
  }
  return true;
}

/// What was looked at, and what was wrong.
struct check_report
{
  std::uint64_t states = 0;  ///< stores that were opened
  std::uint64_t looked = 0, found = 0, got = 0;
  std::uint64_t lost = 0;              ///< durable, and not found, or not got
  std::uint64_t wrong_bytes = 0;       ///< got as if they were right
  std::uint64_t erased = 0;            ///< found although erased
  std::uint64_t stale = 0;             ///< found of a life, or tokens, that are over or never were
  std::uint64_t misbehaved = 0;        ///< threw, refused, did not end
  std::vector<std::string> sentences;  ///< the first

  [[nodiscard]] std::uint64_t faults() const noexcept { return lost + wrong_bytes + erased + stale + misbehaved; }
  void say(std::uint64_t& kind, std::string sentence)
  {
    ++kind;
    if (sentences.size() < 12) sentences.push_back(std::move(sentence));
  }
  void add(const check_report& other)
  {
    states += other.states, looked += other.looked, found += other.found, got += other.got, lost += other.lost;
    wrong_bytes += other.wrong_bytes, erased += other.erased, stale += other.stale, misbehaved += other.misbehaved;
    for (const std::string& one : other.sentences) {
      if (sentences.size() < 12) sentences.push_back(one);
    }
  }
  [[nodiscard]] std::string text() const
  {
    std::string out = std::to_string(states) + " stores opened, " + std::to_string(looked) + " looks, " +
                      std::to_string(found) + " found, " + std::to_string(got) + " got; lost " + std::to_string(lost) +
                      ", wrong bytes " + std::to_string(wrong_bytes) + ", erased found " + std::to_string(erased) +
                      ", stale found " + std::to_string(stale) + ", misbehaved " + std::to_string(misbehaved);
    for (const std::string& one : sentences) out += "\n  " + one;
    return out;
  }
};

[[nodiscard]] inline std::string text_of(const kvstrata::sequence_key& key)
{
  return std::to_string(key.space) + ":" + std::to_string(key.id);
}
[[nodiscard]] inline std::string text_of(kvstrata::token_interval tokens)
{
  return "[" + std::to_string(tokens.begin) + ", " + std::to_string(tokens.end) + ")";
}
[[nodiscard]] inline std::string text_of(const kvstrata::record_header& header, kvstrata::token_interval tokens)
{
  return "life " + std::to_string(to_number(header.incarnation)) + " epoch " + std::to_string(to_number(header.epoch)) +
         " " + text_of(tokens);
}
[[nodiscard]] inline std::string text_of(const possible_states& states)
{
  std::string out;
  for (const possible_state& one : states.all()) {
    if (!out.empty()) out += " or ";
    out += one.present ? text_of(one.header, one.least) + " to " + text_of(one.most) : std::string("nothing");
  }
  return out;
}

/// Uses a store and waits for it. In virtual time what never ends is an exception.
template <class Store, class Device>
class store_prober
{
 public:
  static constexpr std::size_t most_pages = 256;  ///< that are read as one

  store_prober(Device& d, Store& s, const record_shape& shape)
      : device_(&d), store_(&s), shape_(shape), memory_(d.allocate_pinned(most_pages * shape.page_bytes(), "prober"))
  {
  }

  /// Asked where need be. Throws where the store does not answer.
  [[nodiscard]] std::optional<kvstrata::record_header> find(const kvstrata::sequence_key& key)
  {
    using knowledge = kvstrata::found_record::knowledge;
    for (int attempt = 0; attempt < 4; ++attempt) {
      const kvstrata::found_record found = store_->find(key);
      if (found.is == knowledge::present) return found.header;
      if (found.is == knowledge::absent) return std::nullopt;
      static_cast<void>(wait(store_->ask(key), "ask"));
    }
    throw kvstrata::error("it was asked, and does not know");
  }

  /// Nothing: no room, or the tokens are more than are read as one.
  [[nodiscard]] kvstrata::store_outcome get(const kvstrata::sequence_key& key, const kvstrata::record_header& header,
                                            kvstrata::token_interval wanted, bool& shows)
  {
    const std::size_t bytes = kvstrata::pages_of(wanted, shape_.page_tokens).size() * shape_.page_bytes();
    if (bytes > memory_.size()) throw kvstrata::error("the test reads no more than 256 pages as one");
    std::memset(memory_.data(), 0xA5, bytes);
    const std::array<kvstrata::io_piece, 1> into{kvstrata::io_piece{memory_.data(), bytes}};
    const kvstrata::store_outcome out = wait(store_->get(key, header, wanted, into, {}), "get");
    shows = out.done() && shows_record(memory_.data(), shape_, key, header, wanted);
    return out;
  }

  /// Looks for a sequence and reads what is found, until a state is reached that must hold.
  void check(const kvstrata::sequence_key& key, const crash_oracle& oracle, const possible_states& states,
             check_report& report, bool may_evict = false)
  {
    ++report.looked;
    try {
      for (int attempt = 0; attempt < 64; ++attempt) {
        const auto found = find(key);
        const std::string wanted = "sequence " + text_of(key) + ", of which there must be " + text_of(states) + " (" +
                                   oracle.history(key) + ")";
        if (!found) {
          if (!states.may_be_absent() && !may_evict) report.say(report.lost, wanted + ", is not found");
          return;
        }
        ++report.found;
        const std::string got = ", is found as " + text_of(*found, found->tokens);
        if (states.must_be_absent()) return report.say(report.erased, wanted + got);
        if (!allowed(states, *found, may_evict)) {
          const bool is_less = std::any_of(states.all().begin(), states.all().end(), [&](const possible_state& one) {
            return one.present && same_life(one.header, *found) && one.most.contains(found->tokens);
          });
          return report.say(is_less ? report.lost : report.stale, wanted + got);
        }
        if (!oracle.was_said(key, *found))
          return report.say(report.stale, wanted + got + ", with a header of nobody's");
        bool shows = false;
        const kvstrata::store_outcome whole = get(key, *found, found->tokens, shows);
        if (whole.done()) {
          ++report.got;
          if (!shows) return report.say(report.wrong_bytes, wanted + got + ", and its bytes are wrong");
          const kvstrata::token_count half = found->tokens.begin + found->tokens.size() / 2;
          const kvstrata::token_interval part{half, found->tokens.end};
          if (part.empty()) return;
          if (get(key, *found, part, shows).done() && !shows) {
            report.say(report.wrong_bytes, wanted + got + ", and the bytes of its second half are wrong");
          }
          return;
        }
        if (whole.why == kvstrata::loss::closed || whole.why == kvstrata::loss::timeout) {
          return report.say(report.misbehaved,
                            wanted + got + ", and a get ends with " + std::string(name_of(whole.why)));
        }
      }
      report.say(report.misbehaved, "sequence " + text_of(key) + " is found again and again, and never got");
    } catch (const std::exception& thrown) {
      report.say(report.misbehaved, "sequence " + text_of(key) + ": " + thrown.what());
    }
  }

  [[nodiscard]] kvstrata::store_outcome wait(const std::optional<kvstrata::store_promise>& promise, const char* call)
  {
    if (!promise) throw kvstrata::error(std::string(call) + " is refused by a store that has nothing to do");
    device_->wait_sync(promise->point);
    const auto out = store_->poll(*promise);
    if (!out) throw kvstrata::error(std::string(call) + " is over, and its outcome is not told");
    return *out;
  }

 private:
  [[nodiscard]] static bool allowed(const possible_states& states, const kvstrata::record_header& found, bool may_evict)
  {
    if (!may_evict) return states.allows(found);
    return std::any_of(states.all().begin(), states.all().end(), [&](possible_state one) {
      one.least = {};
      return one.allows(found);
    });
  }

  Device* device_;
  Store* store_;
  record_shape shape_;
  typename Device::memory memory_;
};

}  // namespace kvstrata_test

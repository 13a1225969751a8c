// What a store may and must find after a crash: of every sequence the history of calls, each with the places in a log where
// it began, was done and was durable. The log is a disk's (memory_disk::mark), or the row of messages that a process sent
// before it was killed. No I/O and no store here.
//
// After a cut of the log a call that had not begun has not happened, one that was durable has, and of one between nobody
// knows. All that this leaves open is a set of states. A record of a state has a life, tokens that must be in it, and tokens
// that may be.
#pragma once

#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

using log_mark = std::int64_t;
inline constexpr log_mark before_log = -1;
inline constexpr log_mark not_yet = (std::numeric_limits<log_mark>::max)();

struct key_before
{
  bool operator()(const kvstrata::sequence_key& a, const kvstrata::sequence_key& b) const noexcept
  {
    return std::pair(a.space, a.id) < std::pair(b.space, b.id);
  }
};

/// Whether the store has a record of a sequence, and of what.
struct possible_state
{
  bool present = false;
  kvstrata::record_header header{};  ///< its life
  kvstrata::token_interval least{};  ///< that must be in it
  kvstrata::token_interval most{};   ///< beyond which there is nothing

  [[nodiscard]] bool allows(const kvstrata::record_header& found) const noexcept
  {
    return present && same_life(header, found) && found.tokens.contains(least) && most.contains(found.tokens);
  }
};

/// What the calls of one sequence leave open.
class possible_states
{
 public:
  [[nodiscard]] const std::vector<possible_state>& all() const noexcept { return all_; }
  [[nodiscard]] bool may_be_absent() const noexcept
  {
    return std::any_of(all_.begin(), all_.end(), [](const possible_state& one) { return !one.present; });
  }
  [[nodiscard]] bool must_be_absent() const noexcept
  {
    return std::none_of(all_.begin(), all_.end(), [](const possible_state& one) { return one.present; });
  }
  [[nodiscard]] bool allows(const kvstrata::record_header& found) const noexcept
  {
    return std::any_of(all_.begin(), all_.end(), [&](const possible_state& one) { return one.allows(found); });
  }

  /// A put. Sure: it is there. Else it may be, in part where it may be more than one record (`divisible`). `beside`: a put of
  /// the same sequence was under way meanwhile.
  void put(const kvstrata::record_header& fresh, kvstrata::token_interval most, bool is_sure, bool divisible,
           bool beside)
  {
    std::vector<possible_state> out;
    if (!is_sure) out = all_;
    for (const possible_state& old : all_) {
      const bool joins = old.present && same_life(old.header, fresh);
      possible_state next{true, fresh, fresh.tokens, joins ? hull(old.most, most) : most};
      if (joins && !beside && !old.least.empty()) {
        kvstrata::record_header before = old.header;
        before.tokens = old.least;
        next.least = join(before, fresh).tokens;
      }
      if (!is_sure && divisible) next.least = joins && joinable(old.least, fresh.tokens) ? old.least : token_none;
      add(out, next);
    }
    all_.swap(out);
  }

  void erase(bool is_sure)
  {
    if (is_sure) all_.clear();
    add(all_, {});
  }
  /// Anything may have gone of it: it was evicted, or found bad.
  void may_have_lost()
  {
    for (possible_state& one : all_) one.least = {};
    add(all_, {});
  }

 private:
  static constexpr kvstrata::token_interval token_none{};

  static void add(std::vector<possible_state>& to, const possible_state& one)
  {
    for (const possible_state& old : to) {
      if (old.present == one.present &&
          (!one.present || (same_life(old.header, one.header) && old.least == one.least && old.most == one.most))) {
        return;
      }
    }
    to.push_back(one);
  }

  std::vector<possible_state> all_{possible_state{}};
};

/// Marks never go back. For one thread at a time.
class crash_oracle
{
 public:
  using call_id = std::uint64_t;

  /// Puts of more pages become several records.
  explicit crash_oracle(kvstrata::page_count pages_of_a_record) : pages_of_a_record_(pages_of_a_record) {}

  /// Of one sequence in the order of the calls. What a put or erase that began at `mark` does comes at later places.
  call_id put_begins(const kvstrata::sequence_key& key, const kvstrata::record_header& header, log_mark mark)
  {
    call one{.what = call::kind::put, .id = ++calls_, .header = header, .most = header.tokens, .began = mark};
    std::vector<call>& mine = histories_[key];
    one.beside = std::any_of(mine.begin(), mine.end(), [](const call& other) { return other.under_way; });
    one.under_way = true;
    mine.push_back(one);
    return one.id;
  }
  void put_is_over(const kvstrata::sequence_key& key, call_id id, bool done, bool durable, log_mark mark)
  {
    for (call& one : histories_[key]) {
      if (one.id != id) continue;
      one.under_way = false;
      if (done) one.done = ++ticks_;
      if (done && durable) one.durable = mark;
    }
  }
  call_id erase_begins(const kvstrata::sequence_key& key, log_mark mark)
  {
    histories_[key].push_back({.what = call::kind::erase, .id = ++calls_, .began = mark});
    return calls_;
  }
  /// The call has returned.
  void erase_is_over(const kvstrata::sequence_key& key, call_id id)
  {
    for (call& one : histories_[key]) {
      if (one.id == id) one.done = ++ticks_;
    }
  }
  /// A get of a record failed: the store may have dropped all that it had of this life.
  void get_lost(const kvstrata::sequence_key& key, log_mark mark)
  {
    histories_[key].push_back({.what = call::kind::loss, .id = ++calls_, .began = mark});
  }

  /// A flush is called, or close: all that is done by now becomes durable with it.
  [[nodiscard]] std::uint64_t flush_begins() const noexcept { return ticks_; }
  void flushed(std::uint64_t begun, log_mark mark)
  {
    for (auto& [key, mine] : histories_) {
      for (call& one : mine) {
        if (one.done <= begun) one.durable = (std::min)(one.durable, mark);
      }
    }
  }

  /// What is not durable by now may be or not, for good: a disk failed, and the store that knew of it is gone.
  void doubt_the_rest()
  {
    for (auto& [key, mine] : histories_) {
      for (call& one : mine) {
        if (one.durable == not_yet) one.done = never;
      }
    }
  }

  /// The store says that it has all of a sequence before `end` for good.
  void durable_until(const kvstrata::sequence_key& key, kvstrata::token_count end, log_mark mark)
  {
    std::vector<call>& mine = histories_[key];
    if (end == 0 || mine.empty() || mine.back().what != call::kind::put) return;
    const kvstrata::record_header newest = mine.back().header;
    for (std::size_t i = mine.size(); i-- != 0;) {
      call& one = mine[i];
      if (one.what != call::kind::put || !same_life(one.header, newest)) return;
      if (one.done != never && one.header.tokens.end <= end) one.durable = (std::min)(one.durable, mark);
    }
  }

  /// What there may be of a sequence when `cut` events of the log have happened.
  [[nodiscard]] possible_states after_cut(const kvstrata::sequence_key& key, log_mark cut) const
  {
    return states(
        key, [cut](const call& one) { return one.began < cut; }, [cut](const call& one) { return one.durable <= cut; });
  }
  /// What the store that is being used may say of it now.
  [[nodiscard]] possible_states now(const kvstrata::sequence_key& key) const
  {
    return states(key, [](const call&) { return true; }, [](const call& one) { return one.done != never; });
  }
  [[nodiscard]] bool is_under_way(const kvstrata::sequence_key& key) const
  {
    const auto at = histories_.find(key);
    return at != histories_.end() &&
           std::any_of(at->second.begin(), at->second.end(), [](const call& one) { return one.under_way; });
  }
  /// Whether `found` says of a record what some put of its life that has begun said.
  [[nodiscard]] bool was_said(const kvstrata::sequence_key& key, kvstrata::record_header found) const
  {
    const auto at = histories_.find(key);
    return at != histories_.end() && std::any_of(at->second.begin(), at->second.end(), [&](const call& one) {
             if (one.what != call::kind::put) return false;
             const auto says = [&found](const kvstrata::record_header& header) {
               found.tokens = header.tokens;
               return found == header;
             };
             return says(one.header) || std::any_of(one.earlier.begin(), one.earlier.end(), says);
           });
  }

  /// All that is known of a sequence, for sentences.
  [[nodiscard]] std::string history(const kvstrata::sequence_key& key) const
  {
    const auto mark_text = [](log_mark mark) { return mark == not_yet ? std::string("-") : std::to_string(mark); };
    std::string out;
    const auto at = histories_.find(key);
    if (at == histories_.end()) return out;
    for (const call& one : at->second) {
      out += one.what == call::kind::put ? " put " : one.what == call::kind::erase ? " erase" : " lost";
      if (one.what == call::kind::put) {
        out += std::to_string(to_number(one.header.incarnation)) + "/" + std::to_string(to_number(one.header.epoch)) +
               "[" + std::to_string(one.header.tokens.begin) + "," + std::to_string(one.header.tokens.end) + ")";
      }
      out +=
          "@" + mark_text(one.began) + (one.done != never ? " done" : "") + " durable " + mark_text(one.durable) + ";";
    }
    return out;
  }

  [[nodiscard]] std::vector<kvstrata::sequence_key> keys() const
  {
    std::vector<kvstrata::sequence_key> out;
    for (const auto& [key, mine] : histories_) out.push_back(key);
    return out;
  }

  /// What is known where a new log begins behind the cut of this one.
  [[nodiscard]] crash_oracle behind_cut(log_mark cut) const
  {
    crash_oracle out(pages_of_a_record_);
    out.calls_ = calls_;
    out.ticks_ = ticks_;
    for (const auto& [key, mine] : histories_) {
      std::vector<call>& theirs = out.histories_[key];
      for (call one : mine) {
        if (one.began >= cut) continue;
        const bool is_sure = one.durable <= cut;
        one.under_way = false;
        one.began = before_log;
        one.done = is_sure ? 0 : never;
        one.durable = is_sure ? before_log : not_yet;
        if (one.what == call::kind::loss || !is_sure) theirs.push_back(one);
        else add_sure(theirs, one);
      }
    }
    return out;
  }

 private:
  static constexpr std::uint64_t never = (std::numeric_limits<std::uint64_t>::max)();

  struct call
  {
    enum class kind : std::uint8_t { put, erase, loss };

    kind what = kind::put;
    call_id id = 0;
    kvstrata::record_header header{};
    kvstrata::token_interval most{};
    log_mark began = before_log;
    std::uint64_t done = never;  ///< well: which of the oracle's ticks it was
    log_mark durable = not_yet;
    bool under_way = false;
    std::vector<kvstrata::record_header> earlier{};  ///< of puts that this one stands for as well
    bool beside = false;                             ///< another put of the sequence was under way when it began
  };

  /// What is sure and of another life, or an erasure, ends all before it. Sure puts of one life that stand side by side in
  /// the history become one.
  static void add_sure(std::vector<call>& to, const call& one)
  {
    const bool ends_all =
        one.what == call::kind::erase || to.empty() || std::none_of(to.begin(), to.end(), [&](const call& old) {
          return old.what == call::kind::put && same_life(old.header, one.header);
        });
    if (ends_all) {
      to.assign(1, one);
      return;
    }
    call& last = to.back();
    if (last.what != call::kind::put || last.durable == not_yet || !same_life(last.header, one.header)) {
      to.push_back(one);
      return;
    }
    const kvstrata::token_interval tokens = one.beside ? one.header.tokens : join(last.header, one.header).tokens;
    const kvstrata::token_interval most = hull(last.most, one.most);
    if (last.earlier.size() >= 64) last.earlier.erase(last.earlier.begin());
    last.earlier.push_back(last.header);
    last.header = one.header;
    last.header.tokens = tokens;
    last.most = most;
  }

  template <class Began, class Sure>
  [[nodiscard]] possible_states states(const kvstrata::sequence_key& key, Began&& began, Sure&& sure) const
  {
    possible_states out;
    const auto at = histories_.find(key);
    if (at == histories_.end()) return out;
    for (const call& one : at->second) {
      if (!began(one)) continue;
      if (one.what == call::kind::loss) out.may_have_lost();
      else if (one.what == call::kind::erase) out.erase(sure(one));
      else out.put(one.header, one.most, sure(one), one.header.pages().size() > pages_of_a_record_, one.beside);
    }
    return out;
  }

  kvstrata::page_count pages_of_a_record_;
  call_id calls_ = 0;
  std::uint64_t ticks_ = 0;  // of what is done
  std::map<kvstrata::sequence_key, std::vector<call>, key_before> histories_;
};

}  // namespace kvstrata_test

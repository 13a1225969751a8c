#include "replay/sentences.hpp"

#include "replay/format.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace replay {

using kvstrata::level_index;

namespace {

std::string percent_text(double share, int digits) { return fixed(100 * share, digits) + " %"; }

}  // namespace

std::string headline(const results& r)
{
  const case_result* best = highlighted(r);
  if (best == nullptr) return "No case was served";
  if (best->speed_up <= 0 || best->name == "no cache") {
    return best->name + " serves " + short_number(best->requests_per_second) + " requests a second";
  }
  return best->name + " serves these requests " + times(best->speed_up) + " as fast as computing every history again";
}

std::string break_even_sentence(const break_even& b)
{
  if (b.link_bytes_per_second <= 0 || b.flops_per_second <= 0) {
    return "The break-even length L* was not measured in this run.";
  }
  std::ostringstream out;
  out << "Break-even length L* = e F / B - 5 d = " << b.bytes_per_element << " x "
      << rate_text(b.flops_per_second, "FLOP") << " / " << rate_text(b.link_bytes_per_second, "B") << " - 5 x "
      << b.hidden << " = " << std::llround(b.tokens()) << " tokens: ";
  if (b.fetching_always_wins()) {
    out << "it is not positive, so fetching a history from host memory beats computing it at every length here.";
  } else {
    out << "shorter histories are computed faster than they are fetched, longer ones are fetched faster.";
  }
  out << " These are a CPU's figures; a GPU computes far faster for each byte its link moves (at d = 1024 in bf16, L* "
         "is about 1.2k tokens on an L20, 10k on an H200), so do not carry the speed-up over.";
  return out.str();
}

std::string verification_sentence(const results& r)
{
  if (!r.verified) return "No answer was compared with recomputation; run with --verify to have them checked.";
  const verification& v = *r.verified;
  std::ostringstream out;
  if (v.scores == 0) {
    out << "Verification was asked for, but no request was drawn: nothing was compared.";
  } else if (v.mismatches == 0) {
    out << "Verified: " << with_commas(v.scores) << " scores of " << with_commas(v.requests)
        << " answers were recomputed without a cache and none differs by more than " << v.tolerance
        << " (largest difference " << v.max_difference << ").";
  } else {
    out << "VERIFICATION FAILED: " << with_commas(v.mismatches) << " of " << with_commas(v.scores)
        << " recomputed scores differ by more than " << v.tolerance << " (largest difference " << v.max_difference
        << ").";
  }
  return out.str();
}

std::string first_difference(const results& r)
{
  if (!r.verified || !r.verified->first) return {};
  const score_difference& d = *r.verified->first;
  std::ostringstream out;
  out.precision(9);
  out << "first difference: " << d.case_name << ", user " << d.user << ", request " << d.request << ", candidate "
      << d.candidate << ", task " << d.task << ": served " << d.served << ", recomputed " << d.recomputed;
  return out.str();
}

std::string verdict(const results& r)
{
  const std::string difference = first_difference(r);
  return verification_sentence(r) + (difference.empty() ? "" : " " + difference + ".");
}

std::string workload_sentence(const workload_facts& w)
{
  std::ostringstream out;
  out << with_commas(w.requests) << " requests of " << with_commas(w.users) << " users";
  if (!w.source.empty()) out << " from " << w.source;
  if (!w.stream.empty()) out << " (" << w.stream << " stream)";
  out << "; a request's history has " << with_commas(static_cast<std::uint64_t>(std::llround(w.history_mean)))
      << " tokens on average, " << with_commas(w.history_p50) << " in the median, " << with_commas(w.history_max)
      << " at most; " << with_commas(w.working_set) << " tokens in all.";
  return out.str();
}

std::string machine_sentence(const machine_facts& m)
{
  std::string out = m.cpu.empty() ? "an unknown CPU" : m.cpu;
  if (m.cores != 0) out += ", " + std::to_string(m.cores) + (m.cores == 1 ? " core" : " cores");
  if (m.memory_bytes != 0) out += ", " + bytes_text(m.memory_bytes) + " memory";
  if (!m.compiler.empty()) out += ", " + m.compiler;
  return out;
}

std::vector<metric> metrics(const results& r)
{
  std::vector<metric> rows;
  const auto row = [&](std::string name, std::string meaning, auto&& value) {
    metric m{.name = std::move(name), .meaning = std::move(meaning), .values = {}};
    for (const case_result& c : r.cases) m.values.push_back(value(c));
    rows.push_back(std::move(m));
  };
  using result = const case_result&;
  const auto anyone = [&](auto&& value) {
    return std::any_of(r.cases.begin(), r.cases.end(), [&](result c) { return value(c) != 0; });
  };
  // A row that has nothing to say in this run is left out.
  const auto row_of_any = [&](std::string name, std::string meaning, auto&& value) {
    if (!anyone(value)) return;
    row(std::move(name), std::move(meaning), [&](result c) { return with_commas(value(c)); });
    rows.back().rare = true;
  };
  row("speed-up over no cache", "time no cache took for all batches, divided by this case's",
      [](result c) { return c.speed_up > 0 ? times(c.speed_up) : std::string("-"); });
  const std::vector<std::string> names = level_names(r);
  // What comes from a store is read in the arena: such a level has a row only where it has something to say.
  const auto speaks = [&](level_index i) {
    return i < 2 || anyone([i](result c) {
             return c.tokens.served[i] + (i < c.levels.size() ? c.levels[i].dropped_tokens : 0);
           });
  };
  for (level_index i = 0; i < names.size(); ++i) {
    if (!speaks(i)) continue;
    row("tokens from " + names[i],
        i == 0 ? "share of all history tokens whose keys and values were in the " + names[i] + " already"
               : "share that was brought up from the " + names[i],
        [i](result c) { return percent(c.tokens.level_share(i)); });
  }
  row("tokens computed", "share that the model had to compute",
      [](result c) { return percent(c.tokens.computed_share()); });
  if (anyone([](result c) { return c.next_asked; })) {
    row("next item in best ten", "share of users whose last item is among the ten that the model ranks first of all",
        [](result c) {
          if (c.next_asked == 0) return std::string("-");
          return percent(static_cast<double>(c.next_hits) / static_cast<double>(c.next_asked)) + " (" +
                 with_commas(c.next_hits) + " of " + with_commas(c.next_asked) + ")";
        });
  }
  row("latency mean", "from a batch's start to its end, for each request in it",
      [](result c) { return seconds_text(c.latency.mean); });
  row("latency p50", "half of the requests take at most this long",
      [](result c) { return seconds_text(c.latency.p50); });
  row("latency p95", "95 of 100 requests take at most this long", [](result c) { return seconds_text(c.latency.p95); });
  row("latency p99", "99 of 100 requests take at most this long", [](result c) { return seconds_text(c.latency.p99); });
  row("requests/s", "requests served, divided by the time all batches took",
      [](result c) { return short_number(c.requests_per_second); });
  row("onloaded", "bytes copied up, to the slab", [](result c) { return bytes_text(c.onload_bytes); });
  row("offloaded", "bytes copied down, from level to level", [](result c) { return bytes_text(c.offload_bytes); });
  row("copy calls up", "copies, batches of copies and kernels that copy, up to the slab",
      [](result c) { return with_commas(c.onload_calls); });
  if (anyone([](result c) { return c.onload_pieces - c.onload_calls; })) {
    row("pieces up", "contiguous parts that these calls named", [](result c) { return with_commas(c.onload_pieces); });
  }
  row("copy calls down", "the same, on the way down", [](result c) { return with_commas(c.offload_calls); });
  if (anyone([](result c) { return c.offload_pieces - c.offload_calls; })) {
    row("pieces down", "contiguous parts that these calls named",
        [](result c) { return with_commas(c.offload_pieces); });
  }
  row("exposed transfer", "time the compute stream or the host stood still for a copy",
      [](result c) { return seconds_text(c.exposed_transfer_seconds); });
  for (level_index i = 0; i < names.size(); ++i) {
    if (!speaks(i)) continue;
    row("dropped from " + names[i], "tokens evicted from the " + names[i] + " without a copy in another level",
        [i](result c) { return with_commas(i < c.levels.size() ? c.levels[i].dropped_tokens : 0); });
  }
  row_of_any("staged from the store",
             "tokens that came from the store into the arena before their request read them there",
             [](result c) { return c.staged_tokens; });
  row_of_any("recomputed tokens", "computed although a level had them, because that is quicker",
             [](result c) { return c.recomputed_tokens; });
  row_of_any("prefetched tokens", "fetched ahead of their request", [](result c) { return c.prefetched_tokens; });
  row_of_any("of these read", "prefetched, and read in the slab by their request",
             [](result c) { return c.saved_tokens; });
  row_of_any("displaced by prefetch", "of others, that left the slab for prefetched tokens",
             [](result c) { return c.displaced_tokens; });
  row_of_any("cleaned tokens", "written down ahead of their user's eviction",
             [](result c) { return c.cleaned_tokens; });
  if (std::any_of(r.cases.begin(), r.cases.end(), [](result c) { return c.agreement.has_value(); })) {
    const auto told = [](result c, double value, int digits) {
      return c.agreement ? percent_text(value, digits) : std::string("-");
    };
    row("score error", "of the verified answers against recomputation: root mean square, of the scores' own",
        [&](result c) { return told(c, c.agreement ? c.agreement->error : 0, 4); });
    const auto number = [](result c, double value) {
      std::array<char, 32> text{};
      std::snprintf(text.data(), text.size(), "%.2g", value);
      return c.agreement ? std::string(text.data()) : std::string("-");
    };
    row("mean score error", "of the same, without signs, as scores are",
        [&](result c) { return number(c, c.agreement ? c.agreement->mean : 0); });
    row("largest score error", "of the same",
        [&](result c) { return number(c, c.agreement ? c.agreement->largest : 0); });
    row("unlike uncoded",
        "scores that are not, bit by bit, those of default_cache without a codec; where the arena holds other tokens, "
        "others "
        "are computed, in another order",
        [](result c) {
          return c.agreement && c.agreement->unlike_uncoded ? with_commas(*c.agreement->unlike_uncoded)
                                                            : std::string("-");
        });
    for (std::size_t k = 0; k < score_agreement::bests.size(); ++k) {
      const std::string best = std::to_string(score_agreement::bests[k]);
      row("top " + best + " kept",
          "of the best " + best + " candidates by recomputation, those that are among the best " + best + " here",
          [&](result c) {
            return c.agreement && c.agreement->kept[k] > 0 ? told(c, c.agreement->kept[k], 2) : std::string("-");
          });
    }
  }
  row_of_any("inexact, not served", "cached tokens that requests for exact answers had computed again",
             [](result c) { return c.inexact_tokens; });
  row("device memory", "for keys and values, a landing window included",
      [](result c) { return bytes_text(c.device_bytes); });
  row("control plane", "processor time of the host spent deciding: prepare, commit, release",
      [](result c) { return seconds_text(c.control_seconds); });
  row("control plane/batch", "the same, for one batch",
      [](result c) { return seconds_text(c.batches == 0 ? 0.0 : c.control_seconds / static_cast<double>(c.batches)); });
  return rows;
}

}  // namespace replay

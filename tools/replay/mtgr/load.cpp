#include "replay/mtgr/load.hpp"

#include "replay/format.hpp"

#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace.hpp>

#include <algorithm>
#include <string>

namespace replay {
namespace {

using kvstrata::derive_seed;
using kvstrata::token_count;

constexpr std::int64_t day_seconds = 86'400;
constexpr std::int64_t zone_seconds = 8 * 3600;  // UTC+8, KuaiRand's
constexpr token_count tokens_an_event = 2;       // of the replay's workload; here an event is one token

/// When the cut before `time` was.
std::int64_t cut_before(std::int64_t time, bool weekly)
{
  std::int64_t day = (time + zone_seconds) / day_seconds;
  if (weekly) day -= (day + 3) % 7;  // 1 January 1970 was a Thursday
  return day * day_seconds - zone_seconds;
}

/// Users who all come as often a day. An event is a minute before the next.
workload make_regular(const mtgr_options& o, std::uint32_t candidates)
{
  constexpr std::uint32_t events_a_session = 4, items = 10'000;
  constexpr std::int64_t begin = 1'650'556'800;  // 22 April 2022, 00:00 UTC+8
  const auto users = static_cast<std::uint32_t>((std::min)(o.common.users, o.common.requests));
  workload w;
  w.items = items;
  w.histories.resize(users);
  kvstrata::random_source random(derive_seed(o.common.seed, 75));
  const auto add_event = [&](std::uint32_t user, std::int64_t time) {
    w.histories[user].items.push_back(random.below(items));
    w.histories[user].actions.push_back(random.below(kvstrata::action_codes));
    w.histories[user].times.push_back(time);
  };
  for (std::uint32_t u = 0; u < users; ++u) {
    for (std::uint32_t e = 0; e < o.sequence; ++e) add_event(u, begin - 60 * (o.sequence - e));
  }
  for (std::uint64_t r = 0; r < o.common.requests; ++r) {
    const auto user = static_cast<std::uint32_t>(r % users);
    const auto session = static_cast<std::int64_t>(r / users);
    const std::int64_t step = day_seconds / o.sessions_a_day;
    const std::int64_t time =
        begin + session / o.sessions_a_day * day_seconds + session % o.sessions_a_day * step + step / 2;
    for (std::uint32_t e = 0; e < events_a_session; ++e) add_event(user, time - 60 * (events_a_session - e));
    served_request one;
    one.user = kvstrata::user_id{user};
    one.history_of = user;
    one.number = r;
    one.tokens = static_cast<token_count>(w.histories[user].items.size()) * tokens_an_event;
    one.time = time;
    for (std::uint32_t k = 0; k < candidates; ++k) one.candidates.push_back(random.below(items));
    if (r % users == 0 || w.batches.back().requests.size() == o.common.batch) w.batches.push_back({{}, r, r});
    w.batches.back().requests.push_back(std::move(one));
    ++w.batches.back().last;
  }
  w.facts.source = "a synthetic workload";
  w.facts.users = users;
  w.facts.requests = o.common.requests;
  w.facts.description = "Synthetic users, each with " + std::to_string(o.sessions_a_day) + " sessions a day.";
  return w;
}

/// What is known of a user while turns are made.
struct known
{
  std::int64_t cut = 0;
  std::uint64_t version = 0;
  std::uint32_t sequence_end = 0;
  token_count recents = 0;
};

void tell_facts(mtgr_load& l, const mtgr_options& o, std::uint64_t short_histories)
{
  std::vector<std::string>& notes = l.load.facts.notes;
  notes.push_back("U and S (" + with_commas(l.static_tokens()) + " tokens) are made anew at a " + o.cut +
                  " cut: " + with_commas(l.versions) + " times in " + with_commas(l.load.facts.requests) + " requests" +
                  (l.full == 0 ? "" : ", of these " + with_commas(l.full) + " because R was full") + ".");
  if (short_histories != 0) {
    notes.push_back("Of " + with_commas(short_histories) + " requests the user had fewer than " +
                    with_commas(o.sequence) + " events before the cut: S repeats them.");
  }
  notes.push_back("Features are seeded vectors in the place of embeddings, weights are random.");
}

}  // namespace

mtgr_load make_mtgr_load(const mtgr_options& o)
{
  mtgr_load out;
  out.model = config_of(o);
  const std::uint32_t most = *std::max_element(o.candidates.begin(), o.candidates.end());
  if (o.sessions_a_day != 0) {
    out.load = make_regular(o, most);
  } else {
    options how = o.common;
    how.candidates = most;
    if (!is_synthetic(how) && how.history_scale == 0) how.history_scale = 1;  // S has its length from elsewhere
    out.load = make_workload(how);
  }
  std::vector<known> users(out.load.histories.size());
  std::uint64_t short_histories = 0;
  for (const served_batch& batch : out.load.batches) {
    std::vector<mtgr_turn>& turns = out.batches.emplace_back();
    for (const served_request& r : batch.requests) {
      known& user = users[r.history_of];
      const std::vector<std::int64_t>& times = out.load.histories[r.history_of].times;
      const std::uint32_t events = r.tokens / tokens_an_event;
      const std::int64_t cut = cut_before(r.time, o.cut == "weekly");
      mtgr_turn t{.of = &r};
      t.first_of_version = user.version == 0 || cut != user.cut;
      if (t.first_of_version) {
        const auto last = times.begin() + events;
        user.sequence_end = static_cast<std::uint32_t>(std::lower_bound(times.begin(), last, cut) - times.begin());
      }
      if (events - user.sequence_end > o.recent) {
        t.first_of_version = true;
        user.sequence_end = events;
        ++out.full;
      }
      if (t.first_of_version) {
        ++user.version;
        ++out.versions;
        user.cut = cut;
        user.recents = 0;
      }
      t.version = user.version;
      t.sequence_end = user.sequence_end;
      t.recents = events - user.sequence_end;
      t.new_recents = t.recents - user.recents;
      user.recents = t.recents;
      if (user.sequence_end < o.sequence) ++short_histories;
      turns.push_back(t);
    }
  }
  tell_facts(out, o, short_histories);
  return out;
}

mtgr::part_flops mtgr_load::flops(const mtgr_turn& t, std::uint64_t candidates, token_count statics,
                                  token_count recents) const
{
  return mtgr::flops(model, {.static_tokens = static_cast<double>(static_tokens()),
                             .static_computed = static_cast<double>(statics),
                             .recent_tokens = static_cast<double>(t.recents),
                             .recent_computed = static_cast<double>(recents),
                             .candidates = static_cast<double>(candidates)});
}

mtgr_load::extremes mtgr_load::bounds(std::uint32_t candidates) const
{
  extremes out;
  candidates = (std::min)(candidates, load.items);  // they are distinct
  const auto add = [](mtgr::part_flops& to, const mtgr::part_flops& one) {
    to.statics += one.statics;
    to.recents += one.recents;
    to.candidates += one.candidates;
  };
  for (const std::vector<mtgr_turn>& batch : batches) {
    for (const mtgr_turn& t : batch) {
      add(out.whole, flops(t, candidates, static_tokens(), t.recents));
      add(out.ideal, flops(t, candidates, t.first_of_version ? static_tokens() : 0, t.new_recents));
    }
  }
  return out;
}

mtgr_features::mtgr_features(const mtgr::config& c, std::uint64_t seed)
    : items_(made(c.item_features, derive_seed(seed, 76))),
      profiles_(made(c.user_features, derive_seed(seed, 77))),
      crosses_(made(c.cross_features, derive_seed(seed, 78)))
{
}

mtgr_features::table mtgr_features::made(std::size_t width, std::uint64_t seed)
{
  constexpr std::size_t rows = 1u << 13;  // 4 MiB of items: more of them share vectors
  kvstrata::random_source random(seed);
  table out{std::vector<float>(rows * width), width};
  for (float& f : out.floats) f = static_cast<float>(2 * random.uniform() - 1);
  return out;
}

std::span<const float> mtgr_features::table::row(std::uint64_t key) const
{
  const std::size_t rows = width == 0 ? 1 : floats.size() / width;
  return std::span(floats).subspan(derive_seed(key, 79) % rows * width, width);
}

std::span<const float> mtgr_features::item(std::uint64_t item, std::uint32_t action) const
{
  return items_.row(item * kvstrata::action_codes + action);
}
std::span<const float> mtgr_features::profile(kvstrata::user_id user, std::uint32_t number) const
{
  return profiles_.row(derive_seed(to_number(user), number));
}
std::span<const float> mtgr_features::cross(kvstrata::user_id user, std::uint64_t item) const
{
  return crosses_.row(derive_seed(to_number(user), item));
}

const mtgr::request& mtgr_question::fill(const mtgr_load& load, const mtgr_features& features, const mtgr_turn& t,
                                         std::uint32_t candidates, std::span<const kvstrata::token_interval> statics,
                                         std::span<const kvstrata::token_interval> recents)
{
  const mtgr::config& c = load.model;
  const served_request& r = *t.of;
  const user_history& h = load.load.histories[r.history_of];
  const auto add = [](std::vector<float>& to, std::span<const float> more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  for (std::vector<float>* list : {&profile_, &sequence_, &recent_, &candidates_}) list->clear();
  candidate_times_.clear();
  asked_ = {.static_tokens = load.static_tokens(),
            .static_compute = statics,
            .user = {},
            .sequence = {},
            .recent_tokens = t.recents,
            .recent_compute = recents,
            .recent = {},
            .recent_times = std::span(h.times).subspan(t.sequence_end, t.recents),
            .candidates = {},
            .candidate_times = {}};
  if (!statics.empty()) {
    for (std::uint32_t i = 0; i < c.user_tokens; ++i) add(profile_, features.profile(r.user, i));
    for (std::uint32_t i = 0; i < c.most_sequence; ++i) {
      const std::uint32_t back = c.most_sequence - 1 - i;  // from the cut
      if (t.sequence_end == 0) {
        add(sequence_, features.item(0, 0));  // nothing is known: padding
        continue;
      }
      const std::uint32_t event = t.sequence_end - 1 - back % t.sequence_end;
      add(sequence_, features.item(h.items[event], h.actions[event]));
    }
  }
  for (const kvstrata::token_interval piece : recents) {
    for (token_count token = piece.begin; token < piece.end; ++token) {
      add(recent_, features.item(h.items[t.sequence_end + token], h.actions[t.sequence_end + token]));
    }
  }
  for (std::size_t k = 0; k < candidates_of(t, candidates); ++k) {
    add(candidates_, features.cross(r.user, r.candidates[k]));
    add(candidates_, features.item(r.candidates[k], kvstrata::action::none));
    candidate_times_.push_back(r.time + 1);  // after all of R, also after what happened in this second
  }
  asked_.user = profile_;
  asked_.sequence = sequence_;
  asked_.recent = recent_;
  asked_.candidates = candidates_;
  asked_.candidate_times = candidate_times_;
  return asked_;
}

}  // namespace replay

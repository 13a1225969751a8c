#include "replay/trained_trace.hpp"

#include "replay/user_class.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/request_stream.hpp>
#include <kvstrata/simulate/table_reader.hpp>
#include <kvstrata/simulate/trace_builder.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replay {
namespace {

namespace action = kvstrata::action;
using kvstrata::table_reader;
using kvstrata::token_count;
using kvstrata::trace;

constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
constexpr std::uint64_t latest_ms = 4102444800000;  // 2100

std::uint32_t row_of(std::uint64_t video, const hstu::config& model, const table_reader& rows)
{
  if (video >= model.items) {
    rows.fail("video " + std::to_string(video) + " has no row: the model has " + std::to_string(model.items));
  }
  return static_cast<std::uint32_t>(video);
}

void read_log(table_reader& rows, const user_class& users, const hstu::config& model, kvstrata::trace_builder& into)
{
  const auto user = rows.find("user_id");
  const auto video = rows.find("video_id");
  const auto time = rows.find("time_ms");
  using feedback = std::pair<table_reader::column, std::uint32_t>;
  const std::array<feedback, 7> flags{
      feedback{rows.find("is_click"), action::click},     feedback{rows.find("is_like"), action::like},
      feedback{rows.find("is_follow"), action::follow},   feedback{rows.find("is_comment"), action::comment},
      feedback{rows.find("is_forward"), action::forward}, feedback{rows.find("is_hate"), action::hate},
      feedback{rows.find("long_view"), action::long_view}};
  while (rows.next()) {
    const std::uint64_t who = rows.number(user, any);
    if (!users.has(who)) continue;
    std::uint32_t done = action::none;
    for (const auto& [column, bit] : flags) {
      if (rows.number(column, 1) != 0) done |= bit;
    }
    into.add(who, static_cast<std::int64_t>(rows.number(time, latest_ms)), row_of(rows.number(video, any), model, rows),
             trained_action(done));
  }
}

void read_earlier(table_reader& rows, const user_class& users, const hstu::config& model, kvstrata::trace_builder& into)
{
  const auto user = rows.find("user_id");
  const auto last_time = rows.find("last_time_ms");
  const auto videos = rows.find("last50_video_ids");
  while (rows.next()) {
    const std::uint64_t who = rows.number(user, any);
    const std::optional<std::uint32_t> known = users.has(who) ? into.find_user(who) : std::nullopt;
    if (!known) continue;
    const auto time_ms = static_cast<std::int64_t>(rows.number(last_time, latest_ms));
    for (std::string_view list = rows.text(videos); !list.empty();) {
      const std::size_t comma = list.find(',');
      const std::uint64_t video = rows.number(list.substr(0, comma), videos, any);
      into.add_earlier(*known, time_ms, row_of(video, model, rows), trained_action(action::unknown));
      list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
  }
}

/// Each user's last event, `most` before it, and the requests on these; a user's last event makes one in any stream.
trace last_events(const trace& all, token_count most)
{
  trace out;
  out.name = all.name;
  out.items = all.items;
  out.users = all.users;
  out.event_begin.push_back(0);
  std::vector<token_count> dropped;
  std::vector<kvstrata::trace_request> last;
  for (std::uint32_t u = 0; u < all.user_count(); ++u) {
    const auto mine = all.events_of(u);
    const auto kept = mine.last((std::min)(mine.size(), std::size_t{most} + 1));
    dropped.push_back(static_cast<token_count>(mine.size() - kept.size()));
    out.events.insert(out.events.end(), kept.begin(), kept.end());
    out.event_begin.push_back(out.events.size());
    out.earlier.push_back(all.earlier[u] - (std::min)(all.earlier[u], dropped.back()));
    last.push_back({kept.back().time_ms, u, static_cast<token_count>(mine.size() - 1)});
  }
  std::vector<kvstrata::trace_request> asked = all.requests;
  for (const kvstrata::trace_request& r : asked) {
    if (r.history == last[r.user].history) last[r.user].history = 0;  // it is there
  }
  std::copy_if(last.begin(), last.end(), std::back_inserter(asked),
               [](const kvstrata::trace_request& r) { return r.history != 0; });
  for (kvstrata::trace_request& r : asked) {
    if (r.history <= dropped[r.user]) continue;
    r.history -= dropped[r.user];
    out.requests.push_back(r);
  }
  std::stable_sort(out.requests.begin(), out.requests.end(), [](const auto& a, const auto& b) {
    if (a.time_ms != b.time_ms) return a.time_ms < b.time_ms;
    return a.user != b.user ? a.user < b.user : a.history < b.history;
  });
  return out;
}

}  // namespace

std::uint32_t trained_action(std::uint32_t done) noexcept
{
  if ((done & action::unknown) != 0) return 0;
  if ((done & action::hate) != 0) return 10;
  if ((done & (action::follow | action::comment | action::forward)) != 0) return 9;
  const auto bit = [done](std::uint32_t which) { return (done & which) != 0 ? 1u : 0u; };
  return 1 + bit(action::click) + 2 * bit(action::long_view) + 4 * bit(action::like);
}

trace read_trained_trace(const options& o, const hstu::config& model, token_count events)
{
  const user_class users = o.users_of.empty() ? user_class{} : parse_user_class(o.users_of).value();
  const std::vector<std::filesystem::path> files = kvstrata::kuairand_files(o.trace);
  kvstrata::trace_builder builder;
  for (std::uint64_t row = 0; row < model.items; ++row) static_cast<void>(builder.number_item(row));
  std::vector<table_reader> summaries;
  for (const std::filesystem::path& file : files) {
    table_reader rows(file);
    if (rows.has("history_len")) summaries.push_back(std::move(rows));
    else read_log(rows, users, model, builder);
  }
  if (builder.size() == 0) throw kvstrata::data_error(o.trace, 0, "no user of --users-of has an event in its logs");
  for (table_reader& rows : summaries) read_earlier(rows, users, model, builder);
  kvstrata::request_options how;
  how.stream = o.stream == "session" ? kvstrata::request_stream::session : kvstrata::request_stream::interaction;
  const std::filesystem::path folder = files.front().parent_path();
  return last_events(builder.finish(folder.filename().string(), 0, how), events);
}

}  // namespace replay

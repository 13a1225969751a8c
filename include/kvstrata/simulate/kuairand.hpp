// Reads KuaiRand (Gao et al., CIKM 2022): the official CSV logs of Pure, 1K and 27K, and excerpts with a summary of
// each user's earlier history.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/packing.hpp>
#include <kvstrata/simulate/printable_text.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/request_stream.hpp>
#include <kvstrata/simulate/table_reader.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_builder.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct kuairand_options
{
  request_options requests{};
  /// Events before this time are history only. Where it is not set and the logs reach across 22 April 2022 (UTC+8),
  /// where the official second log begins, it is that midnight; else every event of a log may make a request.
  std::optional<std::int64_t> requests_from_ms{};
  bool random_log = false;     ///< of a folder, also read log_random*: items shown at random, 0.4 % of the events of 1K
  std::uint64_t seed = 1;      ///< draws what an excerpt does not hold
  double ms_per_time = 1;      ///< unit of the times, in spite of their columns' names
  bool drop_repeated = false;  ///< leave out rows of a log that say the same: 2.6 % of the second log of Pure
  unpacker_maker unpack = nullptr;  ///< undoes the compression of files, see packing.hpp
};

namespace detail {

inline constexpr std::int64_t kuairand_begin_ms = 1649347200000;       // 8 April 2022, 00:00 UTC+8
inline constexpr std::int64_t kuairand_second_log_ms = 1650556800000;  // 22 April 2022, 00:00 UTC+8
inline constexpr std::uint64_t kuairand_last_ms = 4102444800000;       // 2100: later times are not milliseconds
inline constexpr std::uint64_t kuairand_longest_history = 1'000'000;   // the longest of 1K is 127,557
inline constexpr std::uint64_t kuairand_most_drawn = 500'000'000;

/// A time of a row that can be one.
inline std::int64_t kuairand_time(const table_reader& rows, table_reader::column at, double ms_per_time)
{
  const std::int64_t time_ms = rows.time_ms(at, ms_per_time);
  if (static_cast<std::uint64_t>(time_ms) > kuairand_last_ms) {
    rows.fail(std::string(rows.name(at)) + " is " + std::to_string(time_ms) + ", but it may be at most " +
              std::to_string(kuairand_last_ms) +
              ", the year 2100: perhaps its unit is another (ms_per_time, --time-unit)");
  }
  return time_ms;
}

inline void read_kuairand_log(table_reader& rows, trace_builder& into, double ms_per_time)
{
  constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
  const auto user = rows.find("user_id");
  const auto video = rows.find("video_id");
  const auto time = rows.find("time_ms");
  using feedback = std::pair<table_reader::column, std::uint32_t>;
  const std::array<feedback, 7> flags{
      feedback{rows.find("is_click"), action::click},     feedback{rows.find("is_like"), action::like},
      feedback{rows.find("is_follow"), action::follow},   feedback{rows.find("is_comment"), action::comment},
      feedback{rows.find("is_forward"), action::forward}, feedback{rows.find("is_hate"), action::hate},
      feedback{rows.find("long_view"), action::long_view}};
  const std::size_t before = into.size();
  while (rows.next()) {
    std::uint32_t done = action::none;
    for (const feedback& flag : flags) {
      if (rows.flag(flag.first)) done |= flag.second;
    }
    const std::int64_t time_ms = kuairand_time(rows, time, ms_per_time);
    into.add(rows.number(user, any), time_ms, rows.number(video, any), done);
  }
  if (into.size() == before) throw data_error(rows.path(), 0, "the log holds no event");
}

/// Adds the earlier history of the users whom the logs know. The row tells its length, its end and its last videos.
/// What lies before those is drawn from them; its times are uniform from the dataset's first day to its end.
inline void read_kuairand_history(table_reader& rows, trace_builder& into, const kuairand_options& options)
{
  constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
  const auto user = rows.find("user_id");
  const auto length = rows.find("history_len");
  const auto last_time = rows.find("last_time_ms");
  const auto videos = rows.find("last50_video_ids");
  boost::unordered_flat_set<std::uint64_t> seen;
  std::vector<std::uint64_t> last;
  std::vector<std::int64_t> times;
  std::uint64_t drawn = 0;
  while (rows.next()) {
    const std::uint64_t id = rows.number(user, any);
    const std::uint64_t events = rows.number(length, kuairand_longest_history);
    const std::int64_t end_ms = kuairand_time(rows, last_time, options.ms_per_time);
    last.clear();
    for (std::string_view list = rows.text(videos); !list.empty();) {
      const std::size_t comma = list.find(',');
      last.push_back(rows.number(trimmed(list.substr(0, comma)), videos, any));
      list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    if (last.size() > events || (last.empty() && events != 0)) {
      rows.fail("last50_video_ids lists " + std::to_string(last.size()) + " videos, but history_len is " +
                std::to_string(events));
    }
    if (!seen.insert(id).second) rows.fail("user " + std::to_string(id) + " has a row further up");
    const std::optional<std::uint32_t> known = into.find_user(id);
    if (!known) continue;
    if (end_ms > into.first_ms(*known)) {
      rows.fail("the earlier history of user " + std::to_string(id) + " ends at " + std::to_string(end_ms) +
                " ms, after the user's first event in the logs at " + std::to_string(into.first_ms(*known)) + " ms");
    }
    drawn += events;
    if (drawn > kuairand_most_drawn) {
      rows.fail("the histories up to here have " + std::to_string(drawn) + " events, but at most " +
                std::to_string(kuairand_most_drawn) + " are read");
    }

    for (std::uint64_t& video : last) video = into.number_item(video);
    random_source random(derive_seed(options.seed, id));
    const std::int64_t begin_ms = (std::min)(kuairand_begin_ms, end_ms);
    times.resize(events);
    for (std::int64_t& time_ms : times) {
      time_ms = begin_ms + static_cast<std::int64_t>(random.uniform() * static_cast<double>(end_ms - begin_ms));
    }
    std::sort(times.begin(), times.end());
    if (!times.empty()) times.back() = end_ms;
    const std::size_t before_last = events - last.size();
    for (std::size_t k = 0; k < events; ++k) {
      const std::uint64_t video =
          k < before_last ? last[random.below(static_cast<std::uint32_t>(last.size()))] : last[k - before_last];
      into.add_earlier(*known, times[k], static_cast<std::uint32_t>(video), action::unknown);
    }
  }
}

inline std::vector<std::filesystem::path> kuairand_files(const std::filesystem::path& folder, bool random_log)
{
  std::vector<std::filesystem::path> found;
  std::error_code problem;
  std::filesystem::directory_iterator entry(folder, problem);
  if (problem) throw data_error(folder.string(), 0, "the folder cannot be read");
  for (; entry != std::filesystem::directory_iterator(); entry.increment(problem)) {
    const std::string whole = entry->path().filename().string();
    const std::string_view name = without_packing(whole);
    if (!name.ends_with(".csv") && !name.ends_with(".tsv")) continue;
    if (name.starts_with("log_standard") || name.starts_with("history_upto") ||
        (random_log && name.starts_with("log_random"))) {
      found.push_back(entry->path());
    }
  }
  if (problem) throw data_error(folder.string(), 0, "the folder cannot be read to its end");
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace detail

/// Reads the files as one trace. What a file is, its header says: one with a column history_len is a summary of
/// earlier histories (user_id, history_len, last_time_ms, last50_video_ids), any other a log (user_id, video_id,
/// time_ms, is_click, is_like, is_follow, is_comment, is_forward, is_hate, long_view; further columns are not looked
/// at). CSV or TSV. Users without an event in a log are left out. Users and items are numbered in order of appearance;
/// requests of one time come in the order of their events in the logs.
///
/// A summary tells how long a user's earlier history is but names its last videos only: the ones before are drawn,
/// seeded, from the videos it names, their times are drawn as well, and the feedback of all of them is unknown.
///
/// Streams the files. Throws data_error with file, line and reason, and config_error. `notes`, where given, is told what is
/// repeated and what is cut.
[[nodiscard]] inline trace read_kuairand(std::vector<input_file> files, const std::filesystem::path& folder,
                                         const kuairand_options& options = {}, trace_notes* notes = nullptr)
{
  check(options.requests);
  check_ms_per_time("kuairand_options.ms_per_time", options.ms_per_time);
  if (files.empty()) throw data_error("KuaiRand", 0, "no file was named");
  const std::string first = files.front().path();
  trace_builder builder;
  if (options.drop_repeated) builder.drop_repeated();
  std::string cut;
  const auto close = [&cut](const table_reader& rows) {
    if (!rows.cut().empty()) cut = printable(rows.path()) + ": " + rows.cut();
  };
  std::vector<table_reader> summaries;
  for (input_file& file : files) {
    table_reader rows(std::move(file));
    if (rows.has("history_len")) {
      summaries.push_back(std::move(rows));
    } else {
      detail::read_kuairand_log(rows, builder, options.ms_per_time);
      close(rows);
    }
  }
  if (builder.size() == 0) throw data_error(first, 0, "a summary of histories needs a log with it");
  std::int64_t from_ms = 0;
  if (options.requests_from_ms) {
    from_ms = *options.requests_from_ms;
  } else {
    const auto [first_ms, last_ms] = builder.times_ms();
    const bool across = first_ms < detail::kuairand_second_log_ms && last_ms >= detail::kuairand_second_log_ms;
    if (across) from_ms = detail::kuairand_second_log_ms;
  }
  for (table_reader& rows : summaries) {
    detail::read_kuairand_history(rows, builder, options);
    close(rows);
  }

  trace t = builder.finish(
      folder.filename() == "data" ? folder.parent_path().filename().string() : folder.filename().string(), from_ms,
      options.requests);
  if (t.requests.empty()) {
    throw data_error(
        first, 0,
        "no event lies at or after requests_from_ms, " + std::to_string(from_ms) + ", so there is no request");
  }
  if (notes != nullptr) {
    notes->duplicates = builder.repeated();
    notes->duplicates_dropped = options.drop_repeated;
    notes->time_unit = unit_of_ms(options.ms_per_time);
    notes->cut = cut;
  }
  return t;
}

/// Likewise, by the names of the files.
[[nodiscard]] inline trace read_kuairand(const std::vector<std::filesystem::path>& files,
                                         const kuairand_options& options = {}, trace_notes* notes = nullptr)
{
  if (files.empty()) throw data_error("KuaiRand", 0, "no file was named");
  std::vector<input_file> open;
  for (const std::filesystem::path& file : files) open.emplace_back(file, options.unpack);
  return read_kuairand(std::move(open), files.front().parent_path(), options, notes);
}

/// The files at `where`: one file, or those of a folder that holds an excerpt (log_standard*.tsv beside
/// history_upto*.tsv) or an official release (log_standard*.csv, there or in its folder `data`). Throws data_error.
[[nodiscard]] inline std::vector<std::filesystem::path> kuairand_files(const std::filesystem::path& where,
                                                                       const kuairand_options& options = {})
{
  std::error_code ignored;
  if (!std::filesystem::exists(where, ignored)) throw data_error(where.string(), 0, "no such file or folder");
  if (!std::filesystem::is_directory(where, ignored)) return {where};
  std::vector<std::filesystem::path> files = detail::kuairand_files(where, options.random_log);
  if (files.empty() && std::filesystem::is_directory(where / "data", ignored)) {
    files = detail::kuairand_files(where / "data", options.random_log);
  }
  if (files.empty()) {
    throw data_error(where.string(), 0, "the folder holds no log_standard*.csv or .tsv, neither here nor under data");
  }
  return files;
}

/// Reads one file, or a folder: see kuairand_files. See above.
[[nodiscard]] inline trace read_kuairand(const std::filesystem::path& where, const kuairand_options& options = {})
{
  return read_kuairand(kuairand_files(where, options), options);
}

}  // namespace kvstrata

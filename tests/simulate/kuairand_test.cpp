#include "scratch.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/simulate/kuairand.hpp>

#include <algorithm>
#include <set>

using namespace kvstrata;
using kvstrata_test::says;
using kvstrata_test::scratch_folder;

namespace {

constexpr const char* official_header =
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n";

std::string official_row(int user, int video, std::int64_t time_ms, const char* flags = "0,0,0,0,0,0,0")
{
  return std::to_string(user) + "," + std::to_string(video) + ",20220422,1300," + std::to_string(time_ms) + "," +
         flags + ",100,200,0,0,0,0,1\n";
}

constexpr const char* excerpt_log =
    "user_id\ttime_ms\tvideo_id\tis_click\tis_like\tis_follow\tis_comment\tis_forward\tis_hate\tlong_view\n"
    "5\t1650900000000\t70\t1\t0\t0\t0\t0\t0\t1\n"
    "6\t1650900000500\t71\t0\t0\t0\t0\t0\t1\t0\n"
    "5\t1650901800000\t72\t0\t1\t1\t1\t1\t0\t0\n"
    "5\t1650909000000\t70\t0\t0\t0\t0\t0\t0\t0\n";
constexpr const char* excerpt_histories =
    "user_id\thistory_len\tlast_time_ms\tlast50_video_ids\n"
    "5\t1000\t1650800000000\t70,90,91\n"
    "8\t2\t1650800000000\t1,2\n";

std::string message_of(const std::filesystem::path& where, const kuairand_options& options = {})
{
  try {
    (void)read_kuairand(where, options);
  } catch (const data_error& problem) {
    return problem.what();
  }
  return "none";
}

constexpr std::int64_t april_22 = 1650556800000;

}  // namespace

TEST_CASE("an excerpt joins the log to the earlier histories of its users")
{
  const scratch_folder folder;
  folder.write("log_standard_0425_0508.tsv", excerpt_log);
  folder.write("history_upto_0424.tsv", excerpt_histories);
  folder.write("NOTICE.md", "not a table");
  const trace t = read_kuairand(folder.path());
  CHECK_NOTHROW(check(t));
  CHECK(t.users == std::vector{user_id{5}, user_id{6}});
  CHECK(t.earlier == std::vector<token_count>{1000, 0});
  CHECK(t.requests ==
        std::vector<trace_request>{{1650900000000, 0, 1000}, {1650900000500, 1, 0}, {1650909000000, 0, 1002}});

  // Items in order of appearance: 70, 71, 72 in the log, 90 and 91 in the history.
  CHECK(t.items == 5);
  const auto mine = t.events_of(0);
  REQUIRE(mine.size() == 1003);
  CHECK(mine[1000] == trace_event{1650900000000, 0, action::click | action::long_view});
  CHECK(mine[1001] == trace_event{1650901800000, 2, action::like | action::follow | action::comment | action::forward});
  CHECK(t.events_of(1)[0].action == action::hate);
  std::vector<std::uint32_t> last{mine[997].item, mine[998].item, mine[999].item};
  std::set<std::uint32_t> drawn;
  for (const trace_event& e : mine.first(1000)) {
    drawn.insert(e.item);
    CHECK(e.action == action::unknown);
  }
  CHECK(drawn == std::set<std::uint32_t>(last.begin(), last.end()));
  CHECK(last[0] == 0);
  CHECK(mine[999].time_ms == 1650800000000);
  CHECK(mine[0].time_ms >= 1649347200000);

  kuairand_options options;
  options.seed = 2;
  const trace other = read_kuairand(folder.path(), options);
  CHECK(std::equal(mine.begin() + 997, mine.end(), other.events_of(0).begin() + 997,
                   [](const trace_event& a, const trace_event& b) { return a.item == b.item; }));
  CHECK(t.events != other.events);
  CHECK(t.events == read_kuairand(folder.path()).events);

  options.requests.stream = request_stream::interaction;
  CHECK(read_kuairand(folder.path(), options).requests.size() == 4);
  CHECK(read_kuairand(folder.path() / "log_standard_0425_0508.tsv", options).events.size() == 4);
}

TEST_CASE("the official logs are read from the release's folder, its data folder or as files")
{
  const scratch_folder folder;
  const std::string first =
      official_row(3, 10, april_22 - 5000) + official_row(3, 11, april_22 - 9000) + official_row(4, 12, april_22 - 1);
  const std::string second = official_row(3, 12, april_22, "1,0,0,0,0,0,1") + official_row(9, 13, april_22 + 1);
  const auto early = folder.write("data/log_standard_4_08_to_4_21_1k.csv", official_header + first);
  const auto late = folder.write("data/log_standard_4_22_to_5_08_1k.csv", official_header + second);
  const auto random =
      folder.write("data/log_random_4_22_to_5_08_1k.csv", official_header + official_row(4, 14, april_22 + 7));
  folder.write("data/user_features_1k.csv", "user_id,age\n3,4\n");

  const trace t = read_kuairand(folder.path());
  CHECK_NOTHROW(check(t));
  CHECK(t.users == std::vector{user_id{3}, user_id{4}, user_id{9}});
  CHECK(t.earlier == std::vector<token_count>{2, 1, 0});
  CHECK(t.requests == std::vector<trace_request>{{april_22, 0, 2}, {april_22 + 1, 2, 0}});
  CHECK(t.events_of(0)[0] == trace_event{april_22 - 9000, 1, 0});
  CHECK(t.events_of(0)[2] == trace_event{april_22, 2, action::click | action::long_view});
  CHECK(read_kuairand(folder.path() / "data").events == t.events);
  CHECK(read_kuairand({late, early}).event_begin.back() == 5);

  kuairand_options options;
  options.random_log = true;
  CHECK(read_kuairand(folder.path(), options).requests.back() == trace_request{april_22 + 7, 0, 1});
  CHECK(read_kuairand({random, early, late}).events == read_kuairand(folder.path(), options).events);
  options.random_log = false;

  // Without the second log, the first one makes requests; and so it does where it is asked to.
  CHECK(read_kuairand(early).requests.size() == 2);
  options.requests_from_ms = 0;
  CHECK(read_kuairand(folder.path(), options).requests.front() == trace_request{april_22 - 9000, 0, 0});
  options.requests_from_ms = april_22 + 100;
  CHECK_THROWS_WITH(read_kuairand(folder.path(), options), says("so there is no request"));
}

TEST_CASE("order of columns, separators and line ends do not matter")
{
  const scratch_folder folder;
  const auto plain = folder.write("a.csv", official_header + official_row(1, 2, april_22, "1,0,0,1,0,0,0"));
  const auto shuffled = folder.write("b.tsv",
                                     "long_view\tis_hate\tnew\tis_forward\tis_comment\tis_follow\tis_like\tis_click\t"
                                     "video_id\ttime_ms\tuser_id\r\n0\t0\tx\t0\t1\t0\t0\t1\t2\t1650556800000\t1\r\n");
  CHECK(read_kuairand(plain).events == read_kuairand(shuffled).events);
}

TEST_CASE("flags, blanks, quotes and capitals as other programs write them, and times in another unit")
{
  const scratch_folder folder;
  const auto plain = folder.write("a.csv", official_header + official_row(1, 2, april_22, "1,0,0,1,0,0,0"));
  const trace expected = read_kuairand(plain);
  const auto same = [&](const std::string& row, double ms_per_time) {
    const std::string header =
        "User_ID, video_id, TIME_MS, is_click, is_like, is_follow, is_comment, is_forward, is_hate, long_view\n";
    return read_kuairand(folder.write("b.csv", header + row), {.ms_per_time = ms_per_time}).events == expected.events;
  };
  CHECK(same("1, 2, 1650556800000, True, False, FALSE, true, false, False, False\n", 1));
  CHECK(same("1,2,1650556800000.0,1.0,0.0,0.0,1.0,0,0,0.0\n", 1));
  CHECK(same("\"1\",\"2\",\"1650556800000\",\"1\",\"0\",0,1,0,0,0\n", 1));
  CHECK(same("1,2,1650556800,1,0,0,1,0,0,0\n", 1000));
  CHECK(same("1,2,1650556800000000,1,0,0,1,0,0,0\n", 1e-3));
  CHECK(message_of(folder.write("b.csv", official_header + official_row(1, 2, april_22, "2,0,0,0,0,0,0"))) ==
        (folder.path() / "b.csv").string() + ":2: is_click is 2, but it may be at most 1");
}

TEST_CASE("rows that repeat another are counted, and left out where that is asked for")
{
  const scratch_folder folder;
  const std::string one = official_row(1, 2, april_22);
  const std::string rows = official_row(3, 2, april_22 - 7) + official_row(3, 2, april_22 - 7) + one +
                           official_row(1, 2, april_22, "1,0,0,0,0,0,0") + official_row(2, 2, april_22) + one +
                           official_row(1, 3, april_22) + one + official_row(1, 2, april_22 + 1) +
                           official_row(3, 9, april_22 + 2);
  const auto file = folder.write("log.csv", official_header + rows);
  kuairand_options options{.requests = {.stream = request_stream::interaction}};
  trace_notes notes;
  const trace all = read_kuairand(std::vector{file}, options, &notes);
  CHECK(notes.duplicates == 3);
  CHECK_FALSE(notes.duplicates_dropped);
  CHECK(all.events.size() == 10);

  options.drop_repeated = true;
  const trace fewer = read_kuairand(std::vector{file}, options, &notes);
  CHECK_NOTHROW(check(fewer));
  CHECK(notes.duplicates == 3);
  CHECK(notes.duplicates_dropped);
  // The oracle: the same log, written without them.
  const std::string kept = official_row(3, 2, april_22 - 7) + one + official_row(1, 2, april_22, "1,0,0,0,0,0,0") +
                           official_row(2, 2, april_22) + official_row(1, 3, april_22) +
                           official_row(1, 2, april_22 + 1) + official_row(3, 9, april_22 + 2);
  options.drop_repeated = false;
  const trace expected = read_kuairand(std::vector{folder.write("kept.csv", official_header + kept)}, options, &notes);
  CHECK(notes.duplicates == 0);
  CHECK(fewer.events == expected.events);
  CHECK(fewer.event_begin == expected.event_begin);
  CHECK(fewer.earlier == expected.earlier);
  CHECK(fewer.requests == expected.requests);

  if (const auto real = kvstrata_test::find_data("kuairand-pure-2w")) {
    static_cast<void>(read_kuairand(kuairand_files(*real), {}, &notes));
    CHECK(notes.duplicates == 5882);  // of 228,329 rows; 5,877 are the same in the columns that are not read, too
  }
}

TEST_CASE("a malformed trace is refused with file, line and reason")
{
  const scratch_folder folder;
  CHECK(message_of(folder.path() / "none") == (folder.path() / "none").string() + ": no such file or folder");
  CHECK(message_of(folder.path()).find("holds no log_standard") != std::string::npos);
  CHECK_THROWS_AS(read_kuairand(std::vector<std::filesystem::path>{}), data_error);

  const auto log = [&](const std::string& text) { return message_of(folder.write("log.csv", text)); };
  const std::string path = (folder.path() / "log.csv").string();
  CHECK(log("") == path + ": the file is empty");
  CHECK(log(official_header) == path + ": the log holds no event");
  CHECK(log("user_id,video_id\n1,2\n") == path + ":1: the header names no column \"time_ms\"");
  CHECK(log(official_header + std::string("1,2,3\n")) == path + ":2: the row has 3 fields, but the header names 19");
  CHECK(log(official_header + official_row(1, 2, 3) + official_row(-1, 2, 3)) ==
        path + ":3: user_id is \"-1\", which is not a whole number");
  CHECK(log(official_header + official_row(1, 2, 3, "0,0,2,0,0,0,0")) ==
        path + ":2: is_follow is 2, but it may be at most 1");
  CHECK(log(official_header + official_row(1, 2, 1650556800000000)) ==
        path +
            ":2: time_ms is 1650556800000000, but it may be at most 4102444800000, the year 2100: perhaps its unit is "
            "another (ms_per_time, --time-unit)");

  folder.write("log_standard.tsv", excerpt_log);
  const auto history = [&](const std::string& row) {
    folder.write("history_upto.tsv", "user_id\thistory_len\tlast_time_ms\tlast50_video_ids\n" + row);
    const std::string text = message_of(folder.path());
    return text.substr((std::min)(text.size(), (folder.path() / "history_upto.tsv").string().size()));
  };
  CHECK(history("5\t0\t0\t\n") == "");  // no problem at all
  CHECK(history("5\t2\t0\t1,2,3\n") == ":2: last50_video_ids lists 3 videos, but history_len is 2");
  CHECK(history("5\t2\t0\t\n") == ":2: last50_video_ids lists 0 videos, but history_len is 2");
  CHECK(history("5\t2\t0\t1,,2\n") == ":2: last50_video_ids is \"\", which is not a whole number");
  CHECK(history("5\t4000000000\t0\t1\n") == ":2: history_len is 4000000000, but it may be at most 1000000");
  CHECK(history("8\t1\t0\t1\n8\t1\t0\t1\n") == ":3: user 8 has a row further up");
  CHECK(history("5\t1\t1650900000001\t1\n") ==
        ":2: the earlier history of user 5 ends at 1650900000001 ms, after the user's first event in the logs at "
        "1650900000000 ms");
  CHECK(message_of(folder.path() / "history_upto.tsv").find("needs a log with it") != std::string::npos);
}

TEST_CASE("the excerpt of KuaiRand-Pure has the published counts")
{
  const auto folder = kvstrata_test::find_data("kuairand-pure-2w");
  if (!folder) SKIP_TEST("the trace kuairand-pure-2w is not on this machine (KVSTRATA_DATA names another folder)");
  const trace sessions = read_kuairand(*folder);
  CHECK_NOTHROW(check(sessions));
  CHECK(sessions.user_count() == 25'156);
  CHECK(sessions.requests.size() == 189'039);
  std::uint64_t earlier = 0;
  for (const token_count events : sessions.earlier) earlier += events;
  CHECK(sessions.events.size() - earlier == 228'329);
  CHECK(earlier == 1'181'348);  // of the 1,208,280 in the file, those of users who are in the log
  std::set<std::uint32_t> watched;
  for (std::uint32_t u = 0; u < sessions.user_count(); ++u) {
    for (const trace_event& e : sessions.events_of(u).subspan(sessions.earlier[u])) watched.insert(e.item);
  }
  CHECK(watched.size() == 6'361);

  kuairand_options options;
  options.requests.stream = request_stream::interaction;
  const trace events = read_kuairand(*folder, options);
  CHECK(events.requests.size() == 228'329);
  CHECK(events.events == sessions.events);
}

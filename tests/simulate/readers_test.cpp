#include "sources.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>

#include <limits>
#include <set>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr std::uint64_t largest = (std::numeric_limits<std::uint64_t>::max)();

/// How the message about a file that holds `bytes` goes on behind its path, when `open(path)` is read.
template <class Open>
std::string complaint_of(const scratch_folder& folder, std::string_view bytes, Open&& open)
{
  const std::filesystem::path file = folder.write("t", bytes);
  const std::string message = complaint([&] { return open(file); });
  if (message == "none") return message;
  REQUIRE(message.compare(0, file.string().size(), file.string()) == 0);
  return message.substr(file.string().size());
}

template <class Source>
std::string complaint_of(std::string_view bytes)
{
  const scratch_folder folder;
  return complaint_of(folder, bytes, [](const std::filesystem::path& file) { return Source(file); });
}

template <class Source>
std::vector<std::uint64_t> keys_in(std::string_view text)
{
  const scratch_folder folder;
  return keys_of(read_all(Source(folder.write("t", text))));
}

accesses csv_accesses(std::string_view text, const csv_options& options = {})
{
  const scratch_folder folder;
  return read_all(csv_source(folder.write("t", text), csv_format(options)));
}

std::string csv_complaint(std::string_view text, const csv_options& options = {})
{
  const scratch_folder folder;
  return complaint_of(folder, text,
                      [&](const std::filesystem::path& file) { return csv_source(file, csv_format(options)); });
}

using numbers = std::vector<std::uint64_t>;

const std::string said_of_ids = "; ids that are texts or hexadecimal must be said (id_kind, --id-kind)";

}  // namespace

TEST_CASE("oracleGeneral records are read with time, size and future")
{
  const scratch_folder folder;
  const std::int64_t last = (std::numeric_limits<std::int64_t>::max)();
  oracle_general_source source(folder.write(
      "x.oracleGeneral.bin", oracle_record(7, 0x0123456789abcdef, 512, 3) + oracle_record(8, largest, 0xffffffff, -1) +
                                 oracle_record(0xffffffff, 0x0123456789abcdef, 0, last)));
  const accesses expected{
      {.key = 0x0123456789abcdef, .time_ms = 7000, .bytes = 512, .next_request = 2},
      {.key = largest, .time_ms = 8000, .bytes = 0xffffffff, .next_request = reuse_hint::never},
      {.key = 0x0123456789abcdef, .time_ms = 4294967295000, .bytes = 0, .next_request = reuse_hint::never}};
  CHECK(source.name() == "x.oracleGeneral.bin");
  CHECK(source.progress() == 0);
  CHECK(read_in_chunks(source, 2) == expected);
  CHECK(source.progress() == 1);
}

TEST_CASE("broken oracleGeneral files are told with record and byte")
{
  const std::string good = oracle_record(7, 1, 512, 2);
  const std::string after = oracle_record(7, 1, 512, -1);
  CHECK(complaint_of<oracle_general_source>("") == ": the file is empty");
  CHECK(complaint_of<oracle_general_source>(good.substr(0, 8)) ==
        ": record 1 at byte 0: the file ends after 8 of its 24 bytes");
  CHECK(complaint_of<oracle_general_source>(good + after) == "none");
}

TEST_CASE("a next access that does not lie behind its record is unknown, and no more")
{
  const scratch_folder folder;
  const std::string good = oracle_record(7, 1, 512, 2);
  for (const std::int64_t next : {std::int64_t{0}, std::int64_t{-2}, std::int64_t{2}, std::int64_t{1}}) {
    const accesses all = read_all(oracle_general_source(folder.write("t", good + oracle_record(7, 1, 512, next))));
    REQUIRE(all.size() == 2);
    CHECK(all[0].next_request == 1);
    CHECK(all[1].next_request == reuse_hint::unknown);
  }
}

TEST_CASE("a last record that is cut is left out and noted, the only one is refused")
{
  const scratch_folder folder;
  const auto cut = [&](auto source, std::size_t expected) {
    CHECK(source.notes().cut.empty());
    CHECK(read_in_chunks(source, 3).size() == expected);
    accesses more(2);
    CHECK(source.read(more) == 0);
    const std::string told = source.notes().cut;
    const std::string path = folder.path().string();
    CHECK(told.compare(0, path.size(), path) == 0);
    return told.substr(path.size());
  };
  const std::string record = oracle_record(7, 1, 512, -1);
  CHECK(cut(oracle_general_source(folder.write("t", record + record + "x")), 2) ==
        "/t: record 3 at byte 48: the file ends after 1 of its 24 bytes");
  CHECK(cut(cache2k_source(folder.write("t", "abcdefg")), 1) ==
        "/t: record 2 at byte 4: the file ends after 3 of its 4 bytes");
  CHECK(cut(csv_source(folder.write("t", "1,5,2\n2,6,3\n3,7")), 2) ==
        "/t:3: the row has 2 fields, but the first one has 3");
  CHECK(cut(mooncake_source(folder.write("t", "{\"timestamp\": 1, \"hash_ids\": [5, 6]}\n{\"hash_ids\": [7, 8")), 2) ==
        "/t:2: expected ']' at character 19");
  CHECK(cut(arc_lis_source(folder.write("t", "5 2 0 0\n7")), 2) ==
        "/t:2: the line holds one number, but first block and number of blocks are needed");
  CHECK(cut(lirs_source(folder.write("t", "5\n-")), 1).find("/t:2: the block is") == 0);
  CHECK(csv_complaint("1,5,2\n3,7\n2,6,3\n") == ":2: the row has 2 fields, but the first one has 3");
  CHECK(csv_complaint("1,5,2\n3,7\n") == ":2: the row has 2 fields, but the first one has 3");
  csv_source whole(folder.write("t", "1,5,2\n2,6,3"));
  CHECK(read_all(whole).size() == 2);
  CHECK(whole.notes().cut.empty());
}

TEST_CASE("cache2k's keys are big-endian")
{
  using namespace std::string_view_literals;
  CHECK(keys_in<cache2k_source>("\x01\x02\x03\x04\xff\xff\xff\xff\x00\x00\x00\x0a"sv) ==
        numbers{0x01020304, 0xffffffff, 10});
  CHECK(complaint_of<cache2k_source>("") == ": the file is empty");
  CHECK(complaint_of<cache2k_source>("abc") == ": record 1 at byte 0: the file ends after 3 of its 4 bytes");
  CHECK(keys_in<cache2k_64_source>("\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x0a"sv) ==
        numbers{0xffffffff, 0x10000000a});
}

TEST_CASE("64-bit keys are not taken for 32-bit ones, unless somebody insists")
{
  const scratch_folder folder;
  const auto file = [&folder](bool big, std::size_t keys, std::uint64_t from) {
    std::string bytes;
    for (std::uint64_t k = 0; k < keys; ++k) {
      const std::string low = little(from + k);
      bytes += big ? std::string(low.rbegin(), low.rend()) : low;
    }
    return folder.write("t.i32be", bytes);
  };
  for (const bool big : {true, false}) {
    CHECK_THROWS_WITH(read_all(open_trace(file(big, 40, 1))), says("these are 64-bit keys, not 32-bit ones"));
    CHECK(read_all(open_trace(file(big, 40, 1), {.format = trace_format::cache2k})).size() == 80);
    CHECK(read_all(open_trace(file(big, 31, 1))).size() == 62);  // too few to tell
    CHECK(read_all(open_trace(file(big, 40, std::uint64_t{1} << 60))).size() == 80);
    CHECK_THROWS_WITH(read_all(open_trace(file(big, 40, 0))), says("these are 64-bit keys"));
    CHECK(read_all(open_trace(folder.write("z.i32be", std::string(400, '\0')))).size() == 100);  // one key
  }
  CHECK(keys_of(read_all(open_trace(file(true, 40, 1), {.format = trace_format::cache2k_64}))).back() == 40);
}

TEST_CASE("LIRS lines are blocks, and those with a star are marks")
{
  CHECK(keys_in<lirs_source>("0\n12\r\n*\n\n * mark 7\n 3 \n18446744073709551615") == numbers{0, 12, 3, largest});
  CHECK(complaint_of<lirs_source>("") == ": the file holds no access");
  CHECK(complaint_of<lirs_source>("*\n\n*\n") == ": the file holds no access");
  CHECK(complaint_of<lirs_source>("1\n\nx2\n") == ":3: the block is \"x2\", which is not a whole number" + said_of_ids);
  CHECK(complaint_of<lirs_source>("1 2\n") == ":1: the block is \"1 2\", which is not a whole number" + said_of_ids);
  CHECK(keys_in<lirs_source>("# a comment\n-1\n") == numbers{largest});
  CHECK(complaint_of<lirs_source>("18446744073709551616\n") ==
        ":1: the block is 18446744073709551616, but it may be at most 18446744073709551615");
}

TEST_CASE("a line of an ARC trace is a run of blocks")
{
  CHECK(keys_in<arc_lis_source>("5 3 0 0\n100\t1\t0\t1\r\n9 0 0 2\n  7   2  x y\n18446744073709551614 2 0 3\n") ==
        numbers{5, 6, 7, 100, 7, 8, largest - 1, largest});
  CHECK(keys_in<arc_lis_source>("# first, count\n5 1 0 0\n") == numbers{5});
  CHECK(complaint_of<arc_lis_source>("9 0 0 0\n") == ": the file holds no access");
  CHECK(complaint_of<arc_lis_source>("5 1 0 0\n5\n") ==
        ":2: the line holds one number, but first block and number of blocks are needed");
  CHECK(complaint_of<arc_lis_source>("-5 1 0 0\n") == ":1: the first block is \"-5\", which is not a whole number");
  CHECK(complaint_of<arc_lis_source>("5 1.5 0 0\n") ==
        ":1: the number of blocks is \"1.5\", which is not a whole number");
  CHECK(complaint_of<arc_lis_source>("5 100000001 0 0\n") ==
        ":1: the number of blocks is 100000001, but it may be at most 100000000");
  CHECK(complaint_of<arc_lis_source>("18446744073709551614 3 0 3\n") ==
        ":1: 3 blocks from 18446744073709551614 go past the largest number, 18446744073709551615");
}

TEST_CASE("Mooncake's requests are the accesses of their blocks")
{
  const std::string_view text =
      "{\"timestamp\": 0, \"input_length\": 6758, \"hash_ids\": [0, 1,2 ]}\n"
      "{\"hash_ids\":[],\"timestamp\":5}\n"
      "\n"
      " {\"x\": {\"y\": [1, -2.5e3, {}, [], \"]\\\"}\", null, true, false]}, \"hash_ids\": [7], \"timestamp\": "
      "123}\r\n";
  const scratch_folder folder;
  const std::filesystem::path file = folder.write("t.jsonl", text);
  CHECK(read_all(mooncake_source(file)) ==
        accesses{{.key = 0}, {.key = 1, .part = 1}, {.key = 2, .part = 2}, {.key = 7, .time_ms = 123}});
  CHECK(read_all(mooncake_source(file, mooncake_format({.block_bytes = 4096}))).front().bytes == 4096);
  CHECK_THROWS_WITH(mooncake_format({.block_bytes = 0}),
                    says("mooncake_options.block_bytes is 0, but it must be at least 1"));
  CHECK_THROWS_WITH(mooncake_format({.block_bytes = most_object_bytes + 1}), says("but it may be at most 2^60"));
}

TEST_CASE("whatever is wrong with a Mooncake line is told")
{
  const auto told = [](std::string_view line) { return complaint_of<mooncake_source>(line); };
  CHECK(told("") == ": the file holds no access");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": []}") == ": the file holds no access");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1]}\n{\"timestamp\": 0}\n") == ":2: the request has no hash_ids");
  CHECK(told("{\"hash_ids\": [1]}") == "none");
  CHECK(told("{}") == ":1: the request has no hash_ids");
  CHECK(told("{\"timestamp\": 0, \"timestamp\": 1, \"hash_ids\": [1]}") == ":1: the request has two timestamps");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1], \"hash_ids\": [1]}") == ":1: the request has hash_ids twice");
  CHECK(told("{\"timestamp\": -1, \"hash_ids\": [1]}") ==
        ":1: timestamp is \"-1\", which is not a number of at least 0");
  CHECK(told("{\"timestamp\": 9223372036854775808, \"hash_ids\": [1]}") ==
        ":1: timestamp is \"9223372036854775808\", which is too late for milliseconds");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1.5]}") ==
        ":1: a number of hash_ids is \"1.5\", which is not a whole number" + said_of_ids);
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": 1}") == ":1: expected '[' at character 30");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1,]}") == ":1: expected a number at character 33");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1 2]}") == ":1: expected ']' at character 33");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [\"1\"]}") == "none");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [\"\"]}") == ":1: an id of hash_ids is empty");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1]") == ":1: expected '}' at character 33");
  CHECK(told("{\"timestamp\": 0, \"hash_ids\": [1]} x") == ":1: expected the end of the line at character 35");
  CHECK(told("{\"timestamp") == ":1: a string does not end at character 12");
  CHECK(told("{\"a\\\"") == ":1: a string does not end at character 6");
  CHECK(told("{\"a\\") == ":1: a string does not end at character 5");
  CHECK(told("{\"a\" 1}") == ":1: expected ':' at character 6");
  CHECK(told("{\"a\": maybe}") == ":1: expected a number at character 7");
  CHECK(told("{\"a\": inf}") == ":1: expected a number at character 7");
  CHECK(told("{\"a\": -inf}") == ":1: expected a number at character 7");
  CHECK(told("{,}") == ":1: expected '\"' at character 2");
  CHECK(told("[1]") == ":1: expected '{' at character 1");
  CHECK(told("{\"a\": " + std::string(100'000, '[')) == ":1: more than 32 values in one another at character 40");
}

TEST_CASE("CSV columns are found by name, by number, or by what is usual")
{
  const accesses expected{{.key = 7, .time_ms = 1000, .bytes = 512}, {.key = 9, .time_ms = 2500, .bytes = 64}};
  CHECK(csv_accesses("1,7,512\n2.5,9,64\n") == expected);
  CHECK(csv_accesses("time,id,size\n1,7,512\n2.5,9,64\n") == expected);
  CHECK(csv_accesses("\xef\xbb\xbfobj_size,x,timestamp,obj_id\r\n512,a,1,7\r\n64,b,2.5,9") == expected);
  CHECK(csv_accesses("1;7;512\n2.5;9;64\n") == expected);
  CHECK(csv_accesses("1 7 512\n2.5 9 64\n") == expected);
  CHECK(csv_accesses("1, 7, 512\n2.5, 9, 64\n") == expected);
  CHECK(csv_accesses("1\t7\t512\n2.5\t9\t64\n") == expected);
  CHECK(csv_accesses("v,h,r,bytes,when,what\n0,0,0,512,1000,7\n0,0,0,64,2500,9\n",
                     {.time = "5", .id = "6", .size = "bytes", .ms_per_time = 1}) == expected);
  CHECK(csv_accesses("a,b,c\n1,7,512\n2.5,9,64\n",
                     {.time = "1", .id = "2", .size = "3", .header = csv_header::present}) == expected);
  for (const std::string name : {"time_ms", "timestamp_ms"}) {
    CHECK(csv_accesses(name + ",id,size\n1000,7,512\n2500,9,64\n") == expected);
    CHECK(csv_accesses(name + ",id,size\n1000,7,512\n2500,9,64\n", {.time = "1"}) == expected);
  }
  CHECK(csv_accesses("1|7|512\n2.5|9|64\n", {.separator = '|', .header = csv_header::absent}) == expected);

  const accesses no_size{{.key = 7, .time_ms = 1000}, {.key = 9, .time_ms = 2500}};
  CHECK(csv_accesses("1,7\n2.5,9\n") == no_size);
  CHECK(csv_accesses("1,7,512\n2.5,9,64\n", {.size = "0"}) == no_size);
  const accesses only_id{{.key = 7}, {.key = 9}};
  CHECK(csv_accesses("7\n9\n") == only_id);
  CHECK(csv_accesses("key\n7\n9\n") == only_id);
  CHECK(csv_accesses("n,x,key\n5,1,7\n5,1,9\n") == only_id);
  CHECK(csv_accesses("a 1,7\n2.5,9\n", {.time = "0", .id = "2", .separator = ',', .header = csv_header::present})
            .size() == 1);
}

TEST_CASE("CSV ids that are texts become keys: equal ones the same, others others")
{
  std::string text = "time,id\n";
  for (int k = 0; k < 2000; ++k) text += "1,/video/" + std::to_string(k % 1000) + ".mp4\n";
  const std::vector<std::uint64_t> keys = keys_of(csv_accesses(text, {.ids = id_kind::text}));
  REQUIRE(keys.size() == 2000);
  CHECK(std::set<std::uint64_t>(keys.begin(), keys.end()).size() == 1000);
  CHECK(std::equal(keys.begin(), keys.begin() + 1000, keys.begin() + 1000));
}

TEST_CASE("whatever is wrong with a CSV is told with its line")
{
  CHECK(csv_complaint("") == ": the file holds no access");
  CHECK(csv_complaint("time,id,size\n") == ": the file holds no access");
  CHECK(csv_complaint("1,7,512\n2,9\n") == ":2: the row has 2 fields, but the first one has 3");
  CHECK(csv_complaint("1,7,512\n\n2,x9,1\n") == ":3: the id is \"x9\", which is not a whole number" + said_of_ids);
  CHECK(csv_complaint("1,7,512\n2,9,-1\n") == ":2: the size is \"-1\", which is not a whole number");
  CHECK(csv_complaint("1,7,1152921504606846977\n") ==
        ":1: the size is 1152921504606846977, but it may be at most 1152921504606846976");
  CHECK(csv_complaint("1,7,512\n2,9,\n") == ":2: the size is \"\", which is not a whole number");
  CHECK(csv_complaint("1,7,512\n-2,9,1\n") == ":2: the time is \"-2\", which is not a number of at least 0");
  CHECK(csv_complaint("1,7,512\nnan,9,1\n") == ":2: the time is \"nan\", which is not a number of at least 0");
  CHECK(csv_complaint("1,7,512\n10000000000000000,9,1\n") ==
        ":2: the time is \"10000000000000000\", which is too late for milliseconds");
  CHECK(csv_complaint("when,what\n1,2\n") ==
        ":1: the header names no column for the id: none is id, obj_id, object_id or key");
  CHECK(csv_complaint("time,id\n1,2\n", {.id = "obj"}) == ":1: the header names no column \"obj\" for the id");
  CHECK(csv_complaint("1,2\n", {.id = "id", .header = csv_header::absent}) ==
        ":1: the header names no column \"id\" for the id");
  CHECK(csv_complaint("1,2\n", {.size = "3"}) == ":1: the column of the size is 3, but it may be at most 2");
  CHECK(csv_complaint("1,\n", {.ids = id_kind::text}) == ":1: the id is empty");
  CHECK_THROWS_WITH(csv_format({.id = "0"}), says("csv_options.id is 0"));
  CHECK_THROWS_WITH(csv_format({.ms_per_time = 0}),
                    says("csv_options.ms_per_time is 0.000000, but it must be above 0"));
  CHECK_THROWS_AS(csv_format({.ms_per_time = -1}), config_error);
  CHECK_THROWS_AS(csv_format({.ms_per_time = std::numeric_limits<double>::quiet_NaN()}), config_error);
}

TEST_CASE("every reader refuses what is no file, and lines that do not end")
{
  const scratch_folder folder;
  CHECK_THROWS_WITH(oracle_general_source(folder.path() / "none"), says("none: no such file"));
  CHECK_THROWS_WITH(mooncake_source(folder.path() / "none"), says("none: no such file"));
  CHECK_THROWS_WITH(cache2k_source(folder.path()), says("is a folder, not a file"));
  CHECK_THROWS_WITH(csv_source(folder.path()), says("is a folder, not a file"));
  CHECK_THROWS_AS(csv_source(folder.path()), data_error);
  const std::string tail((std::size_t{1} << 26) - 1, ' ');
  CHECK(keys_in<lirs_source>("1\n" + tail.substr(0, 3'000'000) + "7\n8\n") == numbers{1, 7, 8});
  CHECK(complaint_of<lirs_source>("1\n" + tail + "7\n") == ":2: the line is longer than 67108864 bytes");
}

TEST_CASE("ids may be signed, hexadecimal or texts")
{
  CHECK(keys_of(csv_accesses("1,-1\n2,18446744073709551615\n3,-9223372036854775808\n")) ==
        numbers{largest, largest, std::uint64_t{1} << 63});
  CHECK(csv_complaint("1,18446744073709551616\n") ==
        ":1: the id is 18446744073709551616, but it may be at most 18446744073709551615");
  CHECK(keys_of(csv_accesses("1,0xFF\n2,ff\n3,ffffffffffffffff\n", {.ids = id_kind::hex})) ==
        numbers{255, 255, largest});
  const numbers long_ones =
      keys_of(csv_accesses("1,d41d8cd98f00b204e9800998ecf8427e\n2,0cc175b9c0f1b6a831c399e269772661\n"
                           "3,0xd41d8cd98f00b204e9800998ecf8427e\n",
                           {.ids = id_kind::hex}));
  CHECK(long_ones[0] != long_ones[1]);
  CHECK(long_ones[0] == long_ones[2]);
  CHECK(csv_complaint("1,0xg\n", {.ids = id_kind::hex}) == ":1: the id is \"0xg\", which is not a hexadecimal number");
  CHECK(keys_of(csv_accesses("a.mp4\nb.mp4\na.mp4\n", {.ids = id_kind::text})).size() == 3);  // no header
  CHECK(keys_of(csv_accesses("id\nb.mp4\na.mp4\n", {.ids = id_kind::text})).size() == 2);

  const scratch_folder folder;
  const auto blocks = [&](std::string_view text, id_kind ids) {
    return keys_of(read_all(mooncake_source(folder.write("t", text), mooncake_format({.ids = ids}))));
  };
  CHECK(blocks("{\"hash_ids\": [-1, 7]}", id_kind::number) == numbers{largest, 7});
  CHECK(blocks("{\"hash_ids\": [\"ff\", \"0x10\"]}", id_kind::hex) == numbers{255, 16});
  const numbers texts = blocks("{\"hash_ids\": [\"ff\", \"0x10\", \"ff\"]}", id_kind::text);
  CHECK(texts[0] != texts[1]);
  CHECK(texts[0] == texts[2]);
  CHECK(keys_of(read_all(lirs_source(folder.write("t", "0xa\n0B\n"), lirs_format(id_kind::hex)))) == numbers{10, 11});
}

TEST_CASE("times have units, decimals, and may be missing in JSON")
{
  const auto times = [](const accesses& all) {
    std::vector<std::int64_t> out;
    for (const trace_access& one : all) out.push_back(one.time_ms);
    return out;
  };
  using list = std::vector<std::int64_t>;
  CHECK(times(csv_accesses("1500,1\n2500,1\n", {.ms_per_time = ms_of_unit("us")})) == list{2, 3});
  CHECK(times(csv_accesses("timestamp_us,id\n1650000000123456,1\n")) == list{1650000000123});
  CHECK(times(csv_accesses("Time_NS,ID\n1650000000123456789,1\n")) == list{1650000000123});
  CHECK(times(csv_accesses("time_ms,id\n5,1\n", {.ms_per_time = 1000})) == list{5000});  // who says it knows it
  CHECK(times(csv_accesses("time_ms,id\n9007199254740993,1\n")) == list{9007199254740993});
  const scratch_folder folder;
  const std::filesystem::path file = folder.write(
      "t",
      "{\"timestamp\": 1.5, \"hash_ids\": [1]}\n{\"hash_ids\": [1]}\n{\"timestamp\": null, \"hash_ids\": [1]}\n"
      "{\"timestamp\": 3.2, \"hash_ids\": [1]}\n");
  mooncake_source source(file, mooncake_format({.ms_per_time = 1000}));
  CHECK(times(read_all(source)) == list{1500, 1500, 1500, 3200});
  CHECK(source.notes().untimed == 2);
  CHECK(source.notes().time_unit == "s");
  mooncake_source timeless(folder.write("t", "{\"hash_ids\": [1]}\n"));
  CHECK(times(read_all(timeless)) == list{0});
  CHECK(timeless.notes().untimed == 0);
  CHECK(timeless.notes().time_unit.empty());
  CHECK(times(read_all(oracle_general_source(folder.write("t", oracle_record(7, 1, 1, -1)),
                                             oracle_general_format(1)))) == list{7});
}

TEST_CASE("of operations only reads are requests, and counts repeat them")
{
  const scratch_folder folder;
  const auto read = [&](std::string_view text, const csv_options& options, std::uint64_t writes,
                        std::uint64_t repeated) {
    csv_source source(folder.write("t", text), csv_format(options));
    const numbers keys = keys_of(read_in_chunks(source, 2));
    CHECK(source.notes().writes == writes);
    CHECK(source.notes().repeated == repeated);
    return keys;
  };
  // As CacheLib's traces of key-value caches have it, and Twitter's.
  CHECK(
      read("key,op,size,op_count,key_size\n7,GET,5,3,1\n8,SET,5,4,1\n9,GET_LEASE,5,1,1\n9,DELETE,5,1,1\n8,get,0,0,1\n",
           {}, 5, 2) == numbers{7, 7, 7, 9});
  CHECK(read("0,7,17,213,4,get,0\n0,8,17,213,4,set,0\n0,9,17,213,4,gets,0\n",
             {.time = "1", .id = "2", .size = "4", .operation = "6"}, 1, 0) == numbers{7, 9});
  CHECK(read("id,op\n1,28\n2,2a\n3,28\n", {.reads = {"28", "08"}}, 1, 0) == numbers{1, 3});
  CHECK(csv_complaint("id,op\n1,frob\n") ==
        ":2: the operation is \"frob\", which is neither a usual read nor a usual write; say which are reads "
        "(csv_options.reads, --reads)");
  CHECK(csv_complaint("id,op\n1,set\n2,delete\n") == ": the file holds no access");
  CHECK(csv_complaint("id,count\n1,1000000001\n") == ":2: the count is 1000000001, but it may be at most 1000000000");
}

TEST_CASE("headers, comments, quotes and blanks as programs write them")
{
  const accesses expected{{.key = 7, .time_ms = 1000, .bytes = 512}, {.key = 9, .time_ms = 2500, .bytes = 64}};
  CHECK(csv_accesses("Time,ID,Size\n1,7,512\n2.5,9,64\n") == expected);
  CHECK(csv_accesses("# made by hand\ntime,id,size\n1,7,512\n# half\n2.5,9,64\n") == expected);
  CHECK(csv_accesses("# time, id, size\n1,7,512\n2.5,9,64\n") == expected);
  CHECK(csv_accesses("time,id,size,more\n1,7,512\n2.5,9,64\n") == expected);  // a header that names more
  CHECK(csv_accesses("time,id,size\n1,7,512,\n2.5,9,64,\n") == expected);     // rows that end in separators
  CHECK(csv_accesses("\"time\",\"id\",\"size\"\n\"1\",\"7\",\"512\"\n\"2.5\", \"9\" ,64\n") == expected);
  CHECK(csv_accesses("1  7   512\n2.5 9 64 \n", {.separator = ' '}) == expected);
  CHECK(csv_complaint("time,id,size\n1,7\n") == ":2: the row has 2 fields, but the header names field 3 as the size");
  CHECK(csv_complaint("time,id,size\nx,1,7,512\n") ==
        ":2: the row has 4 fields, but the header names 3: say by number which column is which");
  CHECK(csv_accesses("time,id,size\nx,1,7,512\ny,2.5,9,64\n",
                     {.time = "2", .id = "3", .size = "4", .header = csv_header::present}) == expected);

  const auto texts = [](std::string_view text) { return keys_of(csv_accesses(text, {.ids = id_kind::text})); };
  CHECK(texts("1,\"a,b\"\n2,\"a,b\"\n3,\"a,c\"\n")[0] == texts("1,\"a,b\"\n")[0]);
  const numbers quoted = texts("1,\"a,b\"\n2,\"a,b\"\n3,\"a,c\"\n4,\"say \"\"a, b\"\"\"\n");
  CHECK(quoted[0] == quoted[1]);
  CHECK(std::set<std::uint64_t>(quoted.begin(), quoted.end()).size() == 3);
  CHECK(texts("1,\"open\n2,5\" disk\n").size() == 2);  // no quotes, but characters
}

TEST_CASE("requests of size 0 are left out or served, and counted")
{
  const scratch_folder folder;
  const std::filesystem::path file = folder.write("t.csv", "1,7,0\n2,8,5\n3,7,0\n4,9,0\n5,7,6\n");
  any_source source = open_trace(file);
  CHECK(read_in_chunks(source, 2) ==
        accesses{{.key = 8, .time_ms = 2000, .bytes = 5}, {.key = 7, .time_ms = 5000, .bytes = 6}});
  CHECK(source.notes().zero_sized == 3);
  CHECK_FALSE(source.notes().zero_served);
  any_source served = open_trace(file, {.zeros = zero_sizes::serve});
  const accesses all = read_in_chunks(served, 2);
  REQUIRE(all.size() == 5);
  CHECK(all.front().bytes == 1);
  CHECK(served.notes().zero_served);
  CHECK(read_all(open_trace(folder.write("z.csv", "1,7,0\n"))).empty());
}

TEST_CASE("what a bad trace holds never reaches a terminal as it is")
{
  const std::string nasty =
      "\x1b[2J\x07\xff\xc2\x9b"
      "31m\r\x7f\xe2\x82\xac";
  const std::string told = csv_complaint("1,7\n2," + nasty + "\n");
  CHECK(told == ":2: the id is \"\\x1b[2J\\x07\\xff\\xc2\\x9b31m\\x0d\\x7f\xe2\x82\xac\", which is not a whole number" +
                    said_of_ids);
  for (const char c : csv_complaint("1,7\n2," + std::string(38, 'x') + "\xe2\x82\xac" + "\n")) {
    CHECK(static_cast<unsigned char>(c) < 0x80);  // not half a character
  }
  CHECK(valid_text("a\x1b"
                   "b\xff\xed\xa0\x80") ==
        "a\xef\xbf\xbd"
        "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(printable_lines("a\nb\x1b") == "a\nb\\x1b");
}

TEST_CASE("whatever the chunks, and across the ends of the buffer, the accesses are the same")
{
  const scratch_folder folder;
  random_source random(3);
  std::string records;
  std::string lines;
  std::string runs;
  accesses expected;
  while (lines.size() < 2'500'000) {
    const std::uint64_t key = random.next() >> random.below(64);
    expected.push_back({.key = key, .time_ms = 5000, .bytes = 1 + random.below(1000)});
    const auto place = static_cast<std::int64_t>(expected.size());
    const bool again = random.below(2) == 0;
    expected.back().next_request = again ? expected.size() + 9 : reuse_hint::never;
    records += oracle_record(5, key, static_cast<std::uint32_t>(expected.back().bytes), again ? place + 10 : -1);
    lines += "5," + std::to_string(key) + "," + std::to_string(expected.back().bytes) + "\n";
    if (runs.size() < 200) runs += std::to_string(key / 2) + " " + std::to_string(random.below(4)) + " 0 0\n";
  }
  const std::filesystem::path binary = folder.write("x.oracleGeneral.bin", records);
  const std::filesystem::path text = folder.write("x.csv", lines);
  for (const std::size_t chunk : {1U, 7U, 1000U, 1U << 20U}) {
    CAPTURE(chunk);
    CHECK((read_in_chunks(open_trace(binary), chunk) == expected));
    accesses no_future = expected;
    for (trace_access& one : no_future) one.next_request = reuse_hint::unknown;
    CHECK((read_in_chunks(open_trace(text), chunk) == no_future));
  }

  const std::filesystem::path arc = folder.write("x.lis", runs);
  const std::filesystem::path requests =
      folder.write("x.jsonl",
                   "{\"timestamp\": 3, \"hash_ids\": [5, 6, 7, 8, 9, 10]}\n"
                   "{\"timestamp\": 4, \"hash_ids\": []}\n{\"timestamp\": 4, \"hash_ids\": [1]}\n");
  const accesses all_runs = read_all(open_trace(arc));
  const accesses all_requests = read_all(open_trace(requests));
  REQUIRE(all_requests.size() == 7);
  for (std::size_t chunk = 1; chunk <= all_runs.size(); ++chunk) {
    REQUIRE(read_in_chunks(open_trace(arc), chunk) == all_runs);
    REQUIRE(read_in_chunks(open_trace(requests), chunk) == all_requests);
  }
}

TEST_CASE("the real traces have the published numbers of accesses and objects")
{
  struct published
  {
    std::string_view file;
    std::size_t requests;
    std::size_t objects;
  };
  for (const published& trace : {published{"cloudphysics/cloudPhysicsIO.oracleGeneral.bin", 113872, 48974},
                                 published{"cache2k-web12/web12.i32be", 95607, 13756},
                                 published{"mooncake-conversation/conversation_trace.jsonl", 288500, 182790},
                                 published{"kuairand-pure-2w", 189039, 25156}, published{"lirs/loop.txt", 505500, 0},
                                 published{"lirs/gli.txt", 6015, 0}, published{"lirs/multi3.txt", 30241, 0}}) {
    const auto path = find_data(trace.file);
    if (!path) SKIP_TEST("the test data with " + std::string(trace.file) + " is not on this machine (KVSTRATA_DATA)");
    CAPTURE(trace.file);
    any_source source = open_trace(*path);
    const accesses all = read_in_chunks(source, 4096);
    CHECK(all.size() == trace.requests);
    CHECK(source.progress() == 1);
    const std::vector<std::uint64_t> keys = keys_of(all);
    if (trace.objects != 0) CHECK(std::set<std::uint64_t>(keys.begin(), keys.end()).size() == trace.objects);
    if (trace.file.starts_with("cloud")) {
      accesses told = all;
      fill_next_requests(told);
      CHECK(told == all);
      CHECK(all.front().bytes == 512);
    }
    if (trace.file.starts_with("moon")) CHECK(all.back().time_ms / 1000 == 3536);
  }
}

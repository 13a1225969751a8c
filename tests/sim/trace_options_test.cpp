#include "sim/commands.hpp"
#include "sim/unpack.hpp"

#include "packed.hpp"

#include "simulate/scratch.hpp"
#include "simulate/sources.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/readers/open_trace.hpp>

#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

struct outcome
{
  int code = 0;
  std::string out;
  std::string err;
};

outcome sim_with(const std::vector<std::string>& arguments)
{
  std::vector<const char*> texts{"kvstrata-sim"};
  for (const std::string& one : arguments) texts.push_back(one.c_str());
  std::ostringstream out;
  std::ostringstream err;
  const int code = sim::sweep_command(static_cast<int>(texts.size()), texts.data(), out, err);
  return {code, out.str(), err.str()};
}

/// As one line, however it was broken.
std::string joined(const std::string& text)
{
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

bool contains(const std::string& text, const std::string& part) { return joined(text).find(part) != std::string::npos; }

std::string read_file(const std::filesystem::path& path)
{
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

nlohmann::json trace_of(const scratch_folder& folder, std::vector<std::string> arguments)
{
  const std::string json = (folder.path() / "o.json").string();
  arguments.insert(arguments.end(), {"--json", json});
  const outcome o = sim_with(arguments);
  INFO(o.err);
  REQUIRE(o.code == 0);
  return nlohmann::json::parse(read_file(json)).at("traces").at(0);
}

std::string lines_of_csv(std::size_t count)
{
  random_source random(5);
  std::string text = "time,id,size\n";
  for (std::size_t k = 0; k < count; ++k) {
    text += std::to_string(k) + ',' + std::to_string(random.below(5000) * random.below(5000) / 5000) + ",7\n";
  }
  return text;
}

const std::vector<std::string> none;
const std::vector<std::string> small_cache{"--capacities", "2"};
const std::vector<std::string> few{"--policies", "lru", "--capacities", "2"};

std::vector<std::string> with(std::vector<std::string> first, const std::vector<std::string>& more)
{
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

}  // namespace

TEST_CASE("compressed traces are read as they are, whatever their names, in several frames and across buffers", "[sim]")
{
  const scratch_folder folder;
  const std::string text = lines_of_csv(200'000);
  REQUIRE(text.size() > 2 * input_file::buffer_bytes);
  const accesses expected = read_all(open_trace(folder.write("a.csv", text)));
  const auto same = [&](std::string_view name, std::string_view bytes) {
    any_source source = open_trace(folder.write(name, bytes), {.unpack = &sim::unpack});
    double before = 0;
    accesses all;
    accesses out(7001);
    while (const std::size_t got = source.read(out)) {
      all.insert(all.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(got));
      CHECK(source.progress() >= before);
      before = source.progress();
    }
    CHECK(before == 1);
    CHECK(source.notes().cut.empty());
    return all == expected;
  };
  for (const packing by : {packing::zstd, packing::gzip}) {
    if (sim::unpack(by) == nullptr) {
      WARN("SKIPPED: " << name_of(by) << " because the tools are built without it");
      continue;
    }
    const std::string ending = by == packing::zstd ? ".csv.zst" : ".csv.gz";
    const std::string packed = pack(by, text);
    CHECK(same("a" + ending, packed));
    CHECK(same("b.csv", packed));  // by its first bytes
    CHECK(same("c" + ending, text));
    const std::size_t half = text.find('\n', text.size() / 2) - 3;
    CHECK(same("d" + ending, pack(by, text.substr(0, half)) + pack(by, text.substr(half))));
    if (by == packing::zstd) CHECK(same("e.csv.zstd", skippable_frame(100'000) + packed));
    else CHECK(same("e.csv.gz", packed + std::string(300'000, '\0')));

    // One that ends in its middle is a warning and an answer; one that is broken is neither.
    any_source cut =
        open_trace(folder.write("cut" + ending, packed.substr(0, packed.size() / 2)), {.unpack = &sim::unpack});
    const accesses front = read_all(cut);
    CHECK(front.size() > 10'000);
    CHECK((front == accesses(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(front.size()))));
    CHECK(cut.notes().cut.find("the compressed file ends in its middle") != std::string::npos);
    std::string broken = packed;
    for (std::size_t k = broken.size() / 2; k < broken.size() / 2 + 200'000; ++k) broken[k] = '\x55';
    CHECK_THROWS_WITH(read_all(open_trace(folder.write("f" + ending, broken), {.unpack = &sim::unpack})),
                      says("f.csv"));

    const std::string folder_name = by == packing::zstd ? "zstd" : "gzip";
    folder.write(folder_name + "/log_standard.tsv" + ending.substr(4), pack(by, users_text));
    CHECK(read_all(open_trace(folder.path() / folder_name, {.unpack = &sim::unpack})).size() == 2);
    CHECK_THROWS_WITH(open_trace(folder.path() / ("a" + ending)), says("which this program was built without"));
    CHECK_THROWS_WITH(open_trace(folder.write("t.csv", pack(by, tar_head())), {.unpack = &sim::unpack}),
                      says("holds a tar archive"));
  }
}

TEST_CASE("what zstd and gzip themselves wrote is read", "[sim]")
{
  const scratch_folder folder;
  using namespace std::string_view_literals;
  // "time,id,size\n1,7,5\n2,8,6\n", by zstd 1.5.4 with its checksum.
  constexpr std::string_view zst = "\x28\xb5\x2f\xfd\x04\x58\xc9\x00\x00time,id,size\n1,7,5\n2,8,6\n\x59\x36\x40\xbc"sv;
  if (sim::unpack(packing::zstd) != nullptr) {
    CHECK(keys_of(read_all(open_trace(folder.write("a.csv.zst", zst), {.unpack = &sim::unpack}))) ==
          std::vector<std::uint64_t>{7, 8});
  }
}

TEST_CASE("other compressions are recognised and named", "[sim]")
{
  const scratch_folder folder;
  using namespace std::string_view_literals;
  const auto told = [&](std::string_view bytes) {
    const outcome o = sim_with({"--trace", folder.write("x.oracleGeneral.bin", bytes).string()});
    CHECK(o.code == 1);
    return o.err;
  };
  CHECK(contains(told("\xfd\x37\x7a\x58\x5a\x00 and more"sv), "compressed with xz, which is not unpacked here"));
  CHECK(contains(told("BZh91AY&SY and more"sv), "compressed with bzip2"));
  CHECK(contains(told("\x04\x22\x4d\x18 and more"sv), "compressed with lz4"));
  CHECK(contains(told("PK\x03\x04 and more"sv), "compressed with zip"));
  CHECK(contains(told("PAR1 and more"sv), "Parquet table"));
}

TEST_CASE("a pipe is read once, where that can be", "[sim]")
{
  const scratch_folder folder;
  const std::string text = lines_of_csv(30'000);
  const std::string plain = folder.write("plain.csv", text).string();
  const std::string pipe = (folder.path() / "pipe.csv").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const auto piped = [&](const std::vector<std::string>& more) {
    std::thread writer([&] {
      std::ofstream out(pipe, std::ios::binary);
      out << text;
    });
    const outcome o = sim_with(with({"--trace", pipe}, more));
    writer.join();
    return o;
  };
  const std::vector<std::string> asked{"--policies", "lru,s3_fifo", "--capacities", "100,1000",
                                       "--warmup",   "500",         "--quiet"};
  outcome o = piped(asked);
  INFO(o.err);
  REQUIRE(o.code == 0);
  outcome expected = sim_with(with({"--trace", plain}, asked));
  REQUIRE(expected.code == 0);
  CHECK(o.out.substr(o.out.find(':')) == expected.out.substr(expected.out.find(':')));  // all but the name

  const auto refused = [&](const std::vector<std::string>& more, const std::string& part) {
    const outcome no = sim_with(with({"--trace", pipe}, more));  // nobody writes: it was not opened
    INFO(no.err);
    CHECK(no.code == 2);
    CHECK(contains(no.err, part));
    CHECK(contains(no.err, "can be read once only"));
  };
  refused({"--policies", "lru,belady", "--capacities", "10"}, "belady needs the future");
  refused({"--policies", "lru"}, "sizes are given in objects");
  refused({"--policies", "lru", "--capacities", "10", "--warmup", "10%"}, "a warm-up is given in requests");
  refused({"--policies", "lru", "--capacities", "10", "--interval", "100"}, "how many intervals");
  const outcome late = piped({"--policies", "lru", "--capacities", "10", "--warmup", "30000"});
  CHECK(late.code == 2);
  CHECK(contains(late.err, "the trace has 30,000 requests, and something must be left"));
  CHECK(sim_with({"--trace", "-", "--trace", "-", "--format", "csv"}).code == 2);
  CHECK(contains(sim_with(with({"--trace", "-"}, few)).err, "standard input: the name does not tell the format"));
}

TEST_CASE("what was left out of a trace, and what cannot be right, stands beside the table and in the JSON", "[sim]")
{
  const scratch_folder folder;
  const auto says_of = [&](std::string_view name, std::string_view text, const std::vector<std::string>& more,
                           const std::string& part) {
    const bool sized = std::find(more.begin(), more.end(), "--sizes") != more.end();
    const std::vector<std::string> trace{"--trace", folder.write(name, text).string(), "--policies", "lru"};
    const outcome o = sim_with(with(with(trace, sized ? none : small_cache), more));
    INFO(o.err << o.out);
    CHECK(o.code == 0);
    CHECK(contains(o.out, part));
  };
  says_of("a.csv", "1,7,0\n2,8,5\n3,8,5\n", {}, "1 request has size 0: left out");
  says_of("a.csv", "1,7,0\n2,8,5\n3,8,5\n", {"--zero-sizes", "serve"}, "a.csv: 3 requests of 2 objects");
  says_of("a.csv", "key,op,size\n7,get,5\n7,set,5\n8,get,5\n", {}, "1 operation is a write or another");
  says_of("a.csv", "id,cmd\n7,28\n8,2a\n", {"--columns", ",id,,cmd", "--reads", "28"},
          "a.csv: 1 requests of 1 objects");
  says_of("a.csv", "id,op_count\n7,3\n", {}, "that adds 2 requests");
  says_of("a.csv", "1,7,5\n2,8,5\n3,8", {}, "the trace is cut short");
  says_of("a.csv", "9,7,5\n2,8,5\n3,8,5\n", {}, "1 request lies before the one in front");
  says_of("a.csv", "1650900000000,7\n1652000000000,8\n", {}, "--time-unit ms, us or ns");
  says_of("a.csv", "1650900000000,7\n1652000000000,8\n", {"--time-unit", "ms"}, "12.7 days (2022-04-25");
  says_of("a.csv", "1,0xff\n2,0xfe\n", {"--id-kind", "hex"}, "ids read as hexadecimal numbers");
  says_of("a.csv", "1,a b\n2,c d\n", {"--id-kind", "text"}, "2 requests of 2 objects");
  says_of("a.jsonl", "{\"timestamp\": 1.5, \"hash_ids\": [1, 2]}\n", {"--block-bytes", "4096", "--time-unit", "s"},
          "2 requests of 2 objects, 8.00 KiB in all; 0 ms, times read as s");
  says_of("a.csv", "1,1,100\n2,2,7\n3,1,100\n", {"--sizes", "bytes", "--capacities", "10B"},
          "objects larger than the whole cache, which always miss and never come in: 66.67 % at 10 B");

  const nlohmann::json told =
      trace_of(folder, with({"--trace", folder.write("a.csv", "5,7,0\n2,8,5\n3,8,5\n3,8").string()}, few));
  CHECK(told.at("times").at("backward") == 0);
  CHECK(told.at("times").at("span_ms") == 1000);
  CHECK(told.at("times").at("read_as") == "s");
  CHECK(told.at("left_out").at("zero_sized") == 1);
  CHECK(told.at("left_out").at("cut") != "");

  const auto refused = [&](const std::vector<std::string>& more, const std::string& part) {
    const outcome o = sim_with(more);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
  };
  refused({"--time-unit", "min"}, "it must be s, ms, us or ns");
  refused({"--id-kind", "uuid"}, "it must be number, hex or text");
  refused({"--zero-sizes", "some"}, "it must be skip or serve");
  refused({"--block-bytes", "0"}, "--block-bytes");
  const outcome zeros = sim_with(with({"--trace", folder.write("z.csv", "1,7,0\n").string()}, few));
  CHECK(zeros.code == 1);
  CHECK(contains(zeros.err, "holds requests of size 0 only"));
}

TEST_CASE("a next-access column that is wrong matters to belady only, who is told the truth", "[sim]")
{
  const scratch_folder folder;
  random_source random(4);
  accesses all(3000);
  for (trace_access& one : all) one.key = random.below(60);
  fill_next_requests(all);
  const auto file = [&](std::string_view name, bool shuffled) {
    std::string bytes;
    for (std::size_t k = 0; k < all.size(); ++k) {
      const bool never = all[k].next_request == reuse_hint::never;
      const auto next = static_cast<std::int64_t>(all[k].next_request + 1);
      bytes += oracle_record(static_cast<std::uint32_t>(k), all[k].key, 1,
                             shuffled ? static_cast<std::int64_t>(k * 7919 % 3000)
                             : never  ? -1
                                      : next);
    }
    return folder.write(name, bytes).string();
  };
  const auto misses = [&](const std::string& path, const std::string& policies) {
    return trace_of(folder, {"--trace", path, "--policies", policies, "--capacities", "20"}).at("curves");
  };
  const std::string right = file("a.oracleGeneral.bin", false);
  const std::string wrong = file("b.oracleGeneral.bin", true);
  CHECK(misses(right, "belady,lru") == misses(wrong, "belady,lru"));
  const outcome o = sim_with({"--trace", wrong, "--policies", "belady", "--capacities", "20"});
  CHECK(contains(o.out, "What the trace says of next requests is wrong at request"));
  CHECK_FALSE(contains(sim_with({"--trace", right, "--policies", "belady", "--capacities", "20"}).out, "is wrong"));
}

TEST_CASE("blocks of Mooncake's requests are counted as they hit, and as they are of use", "[sim]")
{
  const scratch_folder folder;
  // A cache of three: 1 2 3 | 4 pushes out 1 | 1 misses, so that 3, still there, is of no use.
  const std::string path =
      folder
          .write("m.jsonl",
                 "{\"timestamp\": 0, \"hash_ids\": [1, 2, 3]}\n{\"timestamp\": 1, \"hash_ids\": [4]}\n"
                 "{\"timestamp\": 2, \"hash_ids\": [1, 3]}\n{\"timestamp\": 3, \"hash_ids\": [1, 3]}\n")
          .string();
  const nlohmann::json told = trace_of(folder, {"--trace", path, "--policies", "lru", "--capacities", "3"});
  const nlohmann::json& point = told.at("curves").at(0).at("points").at(0);
  CHECK(point.at("misses") == 5);
  CHECK(point.at("unusable_hits") == 1);
  CHECK(point.at("usable_miss_ratio") == 0.75);
  const std::string page = (folder.path() / "o.html").string();
  const outcome o = sim_with({"--trace", path, "--policies", "lru", "--capacities", "3", "--html", page});
  CHECK(contains(o.out, "usable hits, %"));
  CHECK(contains(read_file(page), "usable hits, %"));
  CHECK(contains(read_file(page), "A hit: the block is in the cache"));
  CHECK(contains(o.out, "25.00"));
  CHECK(contains(o.out, "A hit: the block is in the cache"));
}

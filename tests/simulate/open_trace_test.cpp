// What is no trace is told what it is, whatever its name.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/simulate/readers/open_trace.hpp>

#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

using namespace kvstrata;
using namespace std::string_view_literals;
using kvstrata_test::sentence_of;

namespace {

/// What opening a file of this name and content says.
std::string refusal_of(const std::string& name, std::string_view content, trace_format format = trace_format::by_name)
{
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kvstrata_open_trace_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / name, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  std::string out = sentence_of<data_error>([&] { static_cast<void>(open_trace(folder / name, {.format = format})); });
  std::filesystem::remove_all(folder);
  return out;
}

bool tells(const std::string& sentence, std::string_view part) { return sentence.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("open_trace: a compression that is not unpacked is told before the name", "[simulate]")
{
  constexpr std::string_view xz = "\xfd\x37\x7a\x58\x5a\x00 and more"sv;
  for (const char* name : {"a.csv.xz", "a.oracleGeneral.bin.xz", "a", "a.csv"}) {
    CAPTURE(name);
    CHECK(tells(refusal_of(name, xz), "compressed with xz, which is not unpacked here"));
  }
  CHECK(tells(refusal_of("a.xyz", "hello"), "the name does not tell the format"));
}

TEST_CASE("open_trace: a tar archive is no trace, whose head would be a first line", "[simulate]")
{
  std::string tar(1024, '\0');
  tar.replace(0, 5, "a.csv");
  tar.replace(257, 5, "ustar");
  tar += "ts,key,bytes\n1,5,100\n";
  CHECK(tells(refusal_of("a.tar", tar), "holds a tar archive"));
  CHECK(tells(refusal_of("a.csv", tar), "holds a tar archive"));
  CHECK(tells(refusal_of("a", tar, trace_format::csv), "holds a tar archive"));
}

// Files that are there as a whole or not at all, and paths that are one file by two names.
#include "simulate/scratch.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/file_paths.hpp>
#include <kvstrata/simulate/output_file.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/write_trace.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;
namespace fs = std::filesystem;

std::string content(const fs::path& file)
{
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::size_t entries(const fs::path& folder)
{
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::string data_fault(const std::function<void()>& call) { return sentence_of<data_error>(call); }

}  // namespace

TEST_CASE("whoever reads a file that is being written sees the old one, then the whole new one", "[output_file]")
{
  const scratch_folder here;
  const fs::path path = here.write("x", "old");
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  {
    output_file file(path);
    file.write("new, ");
    CHECK(content(path) == "old");
    file.write("and whole");
    file.finish();
  }
  CHECK(content(path) == "new, and whole");
  struct stat there{};
  REQUIRE(::stat(path.c_str(), &there) == 0);
  CHECK((there.st_mode & 07777) == 0640);

  {
    output_file(path).write("never finished");
  }
  CHECK(content(path) == "new, and whole");
  CHECK(entries(here.path()) == 1);

  output_file one(here.path() / "a");
  output_file other(here.path() / "b");  // at the same time, in one folder
  one.write("1");
  other.write("2");
  one.finish();
  other.finish();
  CHECK(content(here.path() / "a") + content(here.path() / "b") == "12");
  CHECK(entries(here.path()) == 3);
}

TEST_CASE("a link is written through, also one that leads nowhere yet", "[output_file]")
{
  const scratch_folder here;
  const fs::path target = here.write("folder/target", "old");
  fs::create_symlink("folder", here.path() / "way");
  fs::create_symlink("way/target", here.path() / "link");
  fs::create_symlink("way/fresh", here.path() / "dangling");
  write_file(here.path() / "link", "new");
  write_file(here.path() / "dangling", "fresh");
  CHECK(fs::is_symlink(here.path() / "link"));
  CHECK(fs::is_symlink(here.path() / "dangling"));
  CHECK(content(target) == "new");
  CHECK(content(here.path() / "folder" / "fresh") == "fresh");
}

TEST_CASE("a full disk and an interrupt leave the file that was there, or none", "[output_file]")
{
  const scratch_folder here;
  const fs::path path = here.write("x", "old");
  const std::string much(100'000, '.');
  const child_end full = run_in_child([&] {
    fill_disk_beyond(10'000);
    const bool told = data_fault([&] { write_file(path, much); }).find("x: writing failed: ") != std::string::npos;
    const bool none = data_fault([&] { write_file(here.path() / "none", much); }) != "nothing was thrown";
    return told && none ? 0 : 1;
  });
  CHECK(full.code == 0);
  CHECK(content(path) == "old");
  CHECK(entries(here.path()) == 1);

  for (const char* const name : {"x", "none"}) {
    const child_end interrupted = run_in_child([&] {
      output_file file(here.path() / name);
      file.write(much);
      std::raise(SIGINT);
      return 0;
    });
    CHECK(interrupted.signal == SIGINT);
  }
  CHECK(content(path) == "old");
  CHECK_FALSE(fs::exists(here.path() / "none"));
}

TEST_CASE("what cannot be written is refused in a sentence, and nothing is made or emptied to find out",
          "[output_file]")
{
  const scratch_folder here;
  const fs::path path = here.write("x", "old");
  require_writable(path);
  require_writable(here.path() / "fresh");
  CHECK(content(path) == "old");
  CHECK(entries(here.path()) == 1);
  CHECK_THAT(data_fault([&] { require_writable(here.path()); }), says(": cannot be written: it is a folder"));
  CHECK_THAT(data_fault([&] { require_writable(here.path() / "no" / "x"); }),
             says("no file can be made in its folder"));
  CHECK_THAT(data_fault([&] { require_writable(path / "x"); }), says("x/x: cannot be written"));
  CHECK_THAT(data_fault([&] { require_writable(""); }), says("its path is empty"));
  CHECK_THAT(data_fault([&] { require_writable("/dev/fd/99999"); }), says("/dev/fd/99999: cannot be written"));
  const std::string long_name(300, 'x');
  CHECK_THAT(data_fault([&] { require_writable(here.path() / long_name); }), says("cannot be written"));
  if (::geteuid() == 0) return;  // who may write everything
  fs::permissions(path, fs::perms::owner_read);
  CHECK_THAT(data_fault([&] { require_writable(path); }), says("x: cannot be written"));
}

TEST_CASE("devices and open files are written in their place, and stay what they are", "[output_file]")
{
  const scratch_folder here;
  write_file("/dev/null", "nothing");
  CHECK(fs::is_character_file("/dev/null"));
  if (fs::exists("/dev/full")) {
    CHECK_THAT(data_fault([] { write_file("/dev/full", "x"); }), says("/dev/full: writing failed"));
    CHECK(fs::is_character_file("/dev/full"));
  }
  // As a shell's redirection opens it: what is written goes behind what is there, and the file is not another one.
  const fs::path path = here.path() / "x";
  const int open = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(open >= 0);
  REQUIRE(::write(open, "first, ", 7) == 7);
  const fs::path number = "/dev/fd/" + std::to_string(open);
  CHECK(open_file_of(number) == open);
  write_file(number, "second, ");
  REQUIRE(::write(open, "third", 5) == 5);
  ::close(open);
  CHECK(content(path) == "first, second, third");
}

TEST_CASE("two paths of one file are known for one, whether it is there or not", "[output_file]")
{
  const scratch_folder here;
  const fs::path path = here.write("folder/x", "1");
  fs::create_symlink("folder", here.path() / "way");
  fs::create_symlink("way/new", here.path() / "dangling");
  fs::create_hard_link(path, here.path() / "hard");
  const fs::path folder = here.path() / "folder";
  CHECK(is_same_file(path, here.path() / "way" / "x"));
  CHECK(is_same_file(path, here.path() / "hard"));
  CHECK(is_same_file(folder / "new", folder / "." / "new"));
  CHECK(is_same_file(folder / "new", here.path() / "way" / "new"));
  CHECK(is_same_file(folder / "new", here.path() / "dangling"));
  CHECK(is_same_file(folder / "new", folder / ".." / "way" / "new"));
  CHECK(is_same_file(fs::relative(path), path));
  CHECK(is_same_file(folder, here.path() / "way"));
  CHECK_FALSE(is_same_file(path, folder / "new"));
  CHECK_FALSE(is_same_file(folder / "new", folder / "other"));
  CHECK_FALSE(is_same_file("/dev/null", "/dev/null"));  // nobody's
}

TEST_CASE("a trace is never written over the file that it is read from", "[output_file]")
{
  const scratch_folder here;
  std::string text = "time,id,size\n";
  for (int k = 0; k < 20'000; ++k) text += std::to_string(k) + ',' + std::to_string(k % 97) + ",1\n";
  const fs::path trace = here.write("x.csv", text);
  fs::create_symlink("x.csv", here.path() / "soft.csv");
  fs::create_hard_link(trace, here.path() / "hard.csv");
  const auto refused = [&](const fs::path& path, any_source source) {
    const std::string told = sentence_of<usage_error>([&] { write_csv(source, path); });
    CHECK_THAT(told, says("cannot be written: it is a file that the source reads"));
    CHECK_THAT(told, says(path.string()));
  };
  for (const char* const name : {"x.csv", "./x.csv", "soft.csv", "hard.csv"}) {
    refused(here.path() / name, open_trace(trace));
  }
  refused(trace, open_trace(here.path() / "soft.csv"));
  refused(trace, with_future(open_trace(trace)));
  CHECK(content(trace) == text);

  const fs::path binary = here.path() / "x.oracleGeneral.bin";
  write_oracle_general(with_future(open_trace(trace)), binary);
  const std::string records = content(binary);
  CHECK_THAT(sentence_of<usage_error>([&] { write_oracle_general(open_trace(binary), binary); }),
             says("the source reads"));
  CHECK(content(binary) == records);

  const std::string log =
      "user_id,video_id,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view\n"
      "1,2,1650556800000,0,0,0,0,0,0,0\n";
  const fs::path users = here.write("users/data/log_standard_1.csv", log);
  refused(users, open_trace(here.path() / "users"));
  CHECK(content(users) == log);
  write_csv(open_trace(here.path() / "users"), here.path() / "users" / "accesses.csv");  // beside it is another file
  CHECK(fs::exists(here.path() / "users" / "accesses.csv"));
}

TEST_CASE("a trace that cannot be written to its end leaves what was there", "[output_file]")
{
  const scratch_folder here;
  const fs::path path = here.write("x.csv", "old");
  CHECK_THROWS_AS(write_csv(memory_source(std::vector<trace_access>{{.key = 1}, {.time_ms = -1}}), path), data_error);
  CHECK(content(path) == "old");
  const child_end full = run_in_child([&] {
    fill_disk_beyond(10'000);
    const std::string told = data_fault([&] { write_csv(memory_source(std::vector<trace_access>(10'000)), path); });
    return told.find("x.csv: writing failed: ") != std::string::npos ? 0 : 1;
  });
  CHECK(full.code == 0);
  CHECK(content(path) == "old");
  CHECK(entries(here.path()) == 1);
}

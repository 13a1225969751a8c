// The files of a medium: made, opened, locked, refused with a sentence; and which byte lies in which.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/sentence_of.hpp"
#include "tiers/nvme/faulty_calls.hpp"
#include "tiers/nvme/scratch_files.hpp"

#include <kvstrata/tiers/nvme/io/medium.hpp>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

using namespace kvstrata_test;

namespace {

constexpr std::uint64_t block = nvme::block_bytes;
constexpr std::uint64_t stripe = 4 * block;

std::string refusal(const nvme::medium_config& config, nvme::io_filter* filter = nullptr)
{
  return sentence_of<kvstrata::error>([&] { const nvme::medium m(config, filter); });
}
std::string misuse(const nvme::medium_config& config)
{
  return sentence_of<kvstrata::config_error>([&] { const nvme::medium m(config); });
}
nvme::medium_config over(std::vector<std::string> paths, std::uint64_t bytes = 0)
{
  nvme::medium_config out;
  out.paths = std::move(paths);
  out.bytes = bytes;
  out.stripe_bytes = stripe;
  return out;
}
std::string content(const std::string& path)
{
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::string in_quotes(const std::string& path) { return '\'' + path + '\''; }

}  // namespace

TEST_CASE("medium: a missing file is made, with its space, and opened again")
{
  const scratch_files files;
  const std::string a = files.path("a"), b = files.path("b");
  {
    const nvme::medium made(over({a, b}, 2 * stripe));
    CHECK(made.bytes() == 4 * stripe);
    CHECK(made.files() == 2);
  }
  for (const std::string& path : {a, b}) {
    struct stat found = {};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    CHECK(static_cast<std::uint64_t>(found.st_size) == 2 * stripe);
    CHECK(static_cast<std::uint64_t>(found.st_blocks) * 512 >= 2 * stripe);
  }
  const nvme::medium again(over({a, b}));
  CHECK(again.bytes() == 4 * stripe);
}

TEST_CASE("medium: a file that is there keeps its length")
{
  const scratch_files files;
  const std::string longer = files.file("longer", 3 * stripe + 100), shorter = files.file("shorter", stripe);
  CHECK(nvme::medium(over({longer}, 2 * stripe)).bytes() == 2 * stripe);
  CHECK(files.size("longer") == 3 * stripe + 100);
  CHECK(misuse(over({shorter}, 2 * stripe)) ==
        "bytes is 32768, but " + in_quotes(shorter) + " has 16384, and a file that is there is not made longer");
  CHECK(files.size("shorter") == stripe);
  // One that is empty has nothing to be kept.
  const std::string empty = files.file("empty", 0);
  CHECK(misuse(over({empty})) == "bytes is 0, but " + in_quotes(empty) + " is empty and must be given a size");
  CHECK(nvme::medium(over({empty}, stripe)).bytes() == stripe);
  CHECK(files.size("empty") == stripe);
}

TEST_CASE("medium: byte by byte, stripes go round")
{
  const scratch_files files;
  const nvme::medium m(files.config(3, 2 * stripe, stripe));
  for (std::uint64_t at = 0; at < m.bytes(); at += block) {
    const auto place = m.locate(at, block);
    REQUIRE(place);
    CHECK(place->file == at / stripe % 3);
    CHECK(place->fd == m.fd(place->file));
    CHECK(place->offset == at / stripe / 3 * stripe + at % stripe);
  }
  CHECK(m.locate(stripe, stripe));
  CHECK(m.locate(m.bytes() - block, block));
  CHECK_FALSE(m.locate(stripe - block, 2 * block));
  CHECK_FALSE(m.locate(m.bytes(), block));
  CHECK_FALSE(m.locate(m.bytes() - block, 2 * block));
  CHECK_FALSE(m.locate(1, block));
  CHECK_FALSE(m.locate(0, 1));
  CHECK_FALSE(m.locate(~std::uint64_t{0} - block + 1, 2 * block));
  CHECK_FALSE(m.locate(0, ~std::uint64_t{0} - block + 1));
}

TEST_CASE("medium: misuse is refused by name, before anything is made")
{
  const scratch_files files;
  const std::string a = files.path("a"), b = files.file("b", stripe), c = files.file("c", 2 * stripe);
  CHECK(misuse(over({})) == "paths is empty, but a store lies in at least one file");
  CHECK(misuse(over({a})) == "bytes is 0, but " + in_quotes(a) + " is not there, and no file is made without a size");
  CHECK(misuse(over({a}, stripe + 1)) == "bytes is 16385, but it is a multiple of stripe_bytes, 16384");
  CHECK(misuse(over({a, b, a}, stripe)) ==
        "paths is " + in_quotes(a) + ", but that is the file that " + in_quotes(a) + " is");
  std::filesystem::create_symlink(b, files.path("link"));
  std::filesystem::create_hard_link(b, files.path("hard"));
  for (const char* const name : {"link", "hard"}) {
    CHECK(misuse(over({b, files.path(name)})) ==
          "paths is " + in_quotes(files.path(name)) + ", but that is the file that " + in_quotes(b) + " is");
  }
  CHECK(misuse(over({b, c})) ==
        "bytes is 0, but " + in_quotes(c) + " has 32768 and " + in_quotes(b) + " 16384: say how many of each are used");
  CHECK(misuse(over({a, b}, 2 * stripe)) ==
        "bytes is 32768, but " + in_quotes(b) + " has 16384, and a file that is there is not made longer");
  const std::string odd = files.file("odd", stripe + 100);
  CHECK(misuse(over({odd})) ==
        "bytes is 0, but " + in_quotes(odd) + " has 16484, which is no multiple of stripe_bytes, 16384");
  const std::string folder = files.path("folder");
  std::filesystem::create_directory(folder);
  CHECK(misuse(over({a, folder}, stripe)) ==
        "paths is " + in_quotes(folder) + ", but that is a folder, not a file or block device");
  CHECK(misuse(over({"/dev/null"}, stripe)) == "paths is '/dev/null', but that is neither a file nor a block device");
  auto config = over({a}, stripe);
  for (const std::uint64_t bad : {std::uint64_t{0}, std::uint64_t{512}, block + 1}) {
    config.stripe_bytes = bad;
    CHECK(misuse(config) == "stripe_bytes is " + std::to_string(bad) + ", but it is a multiple of 4096");
  }
  config.stripe_bytes = stripe;
  for (const std::uint32_t bad : {0U, 1025U}) {
    config.depth = bad;
    CHECK(misuse(config) == "depth is " + std::to_string(bad) + ", but it is from 1 to 1024");
  }
  CHECK_FALSE(files.has("a"));
}

TEST_CASE("medium: what the system refuses")
{
  const scratch_files files;
  const std::string nowhere = files.path("no/such");
  CHECK(refusal(over({nowhere}, stripe)) == in_quotes(nowhere) + " cannot be made: its folder is not there");
  const std::string within = files.file("file", stripe) + "/x";
  CHECK(refusal(over({within}, stripe)) == in_quotes(within) + " cannot be opened: Not a directory");
  const std::string fixed = files.file("fixed", stripe);
  REQUIRE(::chmod(fixed.c_str(), 0444) == 0);
  CHECK(refusal(over({fixed})) == in_quotes(fixed) + " is read-only: nobody may write it");
  CHECK(refusal(over({files.path("made"), fixed}, stripe)) == in_quotes(fixed) + " is read-only: nobody may write it");
  CHECK_FALSE(files.has("made"));
}

TEST_CASE("medium: a full disk leaves nothing behind")
{
  const scratch_files files;
  const std::string a = files.path("a"), b = files.file("b", 0), c = files.file("c", stripe);
  faulty_calls calls;
  for (const int fault : {ENOSPC, EDQUOT, EIO}) {
    for (std::size_t at = 0; at < 2; ++at) {
      calls.set([=](const nvme::io_call&, std::size_t number) {
        return nvme::io_verdict{.error = number == at ? fault : 0};
      });
      const std::string what = in_quotes(at == 0 ? a : b) + " cannot be given 16384 bytes: ";
      CHECK(refusal(over({a, b, c}, stripe), &calls) ==
            what + (fault == EIO ? nvme::words_of(EIO) : "the file system has no space for them"));
      CHECK_FALSE(files.has("a"));
      CHECK(files.size("b") == 0);
      CHECK(files.size("c") == stripe);
    }
  }
  // A signal is none.
  calls.set([](const nvme::io_call&, std::size_t number) { return nvme::io_verdict{.error = number < 3 ? EINTR : 0}; });
  CHECK(nvme::medium(over({a, b, c}, stripe), &calls).bytes() == 3 * stripe);

  // In earnest: a file larger than a process may write.
  const std::string d = files.path("d");
  const auto end = run_in_child([&] {
    fill_disk_beyond(stripe);
    return refusal(over({d}, 2 * stripe)) == in_quotes(d) + " cannot be given 32768 bytes: File too large" ? 0 : 1;
  });
  CHECK(end.code == 0);
  CHECK_FALSE(files.has("d"));
}

TEST_CASE("medium: one store a file, in this process and among processes")
{
  const scratch_files files;
  const std::string a = files.path("a"), b = files.path("b");
  const std::string in_use = " is in use: another store has it open, here or in another process";
  {
    const nvme::medium first(over({a}, stripe));
    CHECK(refusal(over({a})) == in_quotes(a) + in_use);
    CHECK(refusal(over({b, a}, stripe)) == in_quotes(a) + in_use);
    CHECK_FALSE(files.has("b"));
    const auto end = run_in_child([&] { return refusal(over({a})) == in_quotes(a) + in_use ? 0 : 1; });
    CHECK(end.code == 0);
    CHECK(content(a) == std::string(stripe, '\0'));
  }
  // The end of its process is the end of its lock, however that ends.
  const auto killed = run_in_child([&]() -> int {
    const auto held = std::make_unique<nvme::medium>(over({a}));
    return std::raise(SIGKILL);
  });
  CHECK(killed.signal == SIGKILL);
  CHECK(nvme::medium(over({a})).bytes() == stripe);
  // One that failed holds nothing.
  static_cast<void>(refusal(over({a, files.path("no/such")}, stripe)));
  CHECK(nvme::medium(over({a})).bytes() == stripe);
}

TEST_CASE("medium: a program that is started has none of its files")
{
  const scratch_files files;
  const nvme::medium m(files.config(2, stripe, stripe));
  for (std::size_t i = 0; i < m.files(); ++i) CHECK((::fcntl(m.fd(i), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("medium: past the page cache, or it says why not")
{
  const scratch_files files;
  auto config = files.config(1, stripe, stripe);
  {
    const nvme::medium m(config);
    const bool direct = (::fcntl(m.fd(0), F_GETFL) & O_DIRECT) != 0;
    CHECK(m.explanation().empty() == direct);
    if (!direct) CHECK(m.explanation().find(in_quotes(config.paths[0]) + " goes through the page cache: ") == 0);
    CHECK(m.alignment().address >= 1);
    CHECK(block % m.alignment().length == 0);
    CHECK(block % m.alignment().address == 0);
  }
  config.direct = false;
  const nvme::medium m(config);
  CHECK((::fcntl(m.fd(0), F_GETFL) & O_DIRECT) == 0);
  CHECK(m.explanation().empty());
  CHECK(m.alignment().address == 1);
  CHECK(m.alignment().length == 1);
}

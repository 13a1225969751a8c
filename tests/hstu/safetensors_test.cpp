// Files of tensors: what is in them comes out; what they lie about is refused with file and tensor, whatever it is.
#include "hstu/safetensors.hpp"
#include "hstu/fixture.hpp"
#include "hstu/weight_file.hpp"

#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>

#include <limits>
#include <string>

namespace {

using namespace hstu_test;

/// The sentence that a file with these bytes is refused with, or "" for a file that is read; its tensors too.
std::string refusal(const std::string& bytes)
{
  const temporary_file file(bytes);
  try {
    hstu::safetensors_file opened(file.path());
    for (const hstu::tensor_entry& t : opened.tensors()) static_cast<void>(opened.floats(t));
  } catch (const kvstrata::data_error& e) {
    const std::string text = e.what();
    CHECK(text.rfind(file.path().string() + ": ", 0) == 0);
    return text.substr(file.path().string().size() + 2);
  }
  return {};
}

const std::string two = "{" + entry("a", "F32", "[2,1]", 0, 8) + "," + entry("b", "F32", "[1]", 8, 12) + "}";
const std::string two_data = floats({1.5f, -2, 3});

}  // namespace

TEST_CASE("tensors come out in the order of their bytes, with shapes, floats and metadata", "[hstu]")
{
  const std::string header = "  {\"b\" : {\"shape\":[ ],\"data_offsets\":[8,12],\"dtype\":\"F32\"} ,\n" +
                             std::string("\"__metadata__\":{\"k\\u0065y\":\"a \\\"word\\\"\\n\",\"empty\":\"\"},") +
                             entry("a", "F32", "[2,1]", 0, 8) + "," + entry("none", "F32", "[0,7]", 12, 12) + "}   ";
  const temporary_file file(safetensors(header, two_data));
  hstu::safetensors_file opened(file.path());
  REQUIRE(opened.tensors().size() == 3);
  CHECK(opened.tensors()[0].name == "a");
  CHECK(opened.tensors()[0].shape == std::vector<std::uint64_t>{2, 1});
  CHECK(opened.floats(*opened.find("a")) == std::vector<float>{1.5f, -2});
  CHECK(opened.floats(*opened.find("b")) == std::vector<float>{3});
  CHECK(opened.find("b")->elements() == 1);
  CHECK(opened.floats(*opened.find("none")).empty());
  CHECK(opened.find("c") == nullptr);
  REQUIRE(opened.metadata("key") != nullptr);
  CHECK(*opened.metadata("key") == "a \"word\"\n");
  CHECK(opened.metadata("other") == nullptr);
  CHECK(opened.bytes(*opened.find("b")).size() == 4);
}

TEST_CASE("half precision becomes the floats that it stands for", "[hstu]")
{
  const std::string bf16 = little_endian(0x3fc0, 2) + little_endian(0xc000, 2) + little_endian(0x0001, 2);
  // 1.5, -2, the greatest, the least normal, the least of all, -0
  const std::string f16 = little_endian(0x3e00, 2) + little_endian(0xc000, 2) + little_endian(0x7bff, 2) +
                          little_endian(0x0400, 2) + little_endian(0x0001, 2) + little_endian(0x8000, 2);
  const temporary_file file(
      safetensors("{" + entry("x", "BF16", "[3]", 0, 6) + "," + entry("y", "F16", "[6]", 6, 18) + "}", bf16 + f16));
  hstu::safetensors_file opened(file.path());
  CHECK(opened.floats(*opened.find("x")) == std::vector<float>{1.5f, -2, 0x1p-133f});
  const std::vector<float> y = opened.floats(*opened.find("y"));
  CHECK(y == std::vector<float>{1.5f, -2, 65504, 0x1p-14f, 0x1p-24f, 0});
  CHECK(std::signbit(y.back()));
}

TEST_CASE("more floats than are read at once arrive in order", "[hstu]")
{
  std::vector<float> many(700'001);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i);
  const temporary_file file(safetensors("{" + entry("m", "F32", "[700001]", 0, 2'800'004) + "}", floats(many)));
  hstu::safetensors_file opened(file.path());
  CHECK(opened.floats(opened.tensors()[0]) == many);
}

TEST_CASE("a file that lies about a tensor is refused, and the tensor named", "[hstu]")
{
  CHECK(refusal(safetensors(two, two_data)).empty());
  const auto with = [](const std::string& what, const std::string& by) {
    return refusal(safetensors(replaced(two, what, by), two_data));
  };
  CHECK(says(with("[8,12]", "[8,13]"), "tensor 'b' lies at [8, 13), but the file has 12 bytes"));
  CHECK(says(with("[8,12]", "[8,9223372036854775808]"), "tensor 'b' lies at [8, 9223372036854775808)"));
  CHECK(says(with("[8,12]", "[18446744073709551615,12]"), "tensor 'b' lies at"));
  CHECK(says(with("[8,12]", "[8,18446744073709551616]"), "tensor 'b' has a number that 64 bits do not hold"));
  CHECK(says(with("[8,12]", "[4,8]"), "tensor 'b' begins at byte 4, but the tensors before it end at byte 8"));
  CHECK(says(with("[0,8]", "[12,12]"), "tensor 'a' has 0 bytes, but its shape and dtype need 8"));
  CHECK(says(with("[1]", "[2]"), "tensor 'b' has 4 bytes, but its shape and dtype need 8"));
  CHECK(says(with("[1]", "[9223372036854775808]"), "tensor 'b' has a shape of more bytes than 64 bits count"));
  CHECK(says(with("[1]", "[4294967296,4294967296]"), "tensor 'b' has a shape of more bytes"));
  CHECK(says(with("[1]", "[1,1,1,1,1,1,1,1,1]"), "tensor 'b' has more than 8 numbers"));
  CHECK(says(with("[1]", "[-1]"), "a whole number that is not negative is expected at byte"));
  CHECK(says(with("[1]", "[1.5]"), "is expected at byte"));
  CHECK(says(with("F32", "F33"), "tensor 'a' has the unknown dtype 'F33'"));
  CHECK(says(with("F32", "I32"), "tensor 'a' has the dtype I32, but weights are F32, F16 or BF16"));
  CHECK(says(with("\"b\"", "\"a\""), "tensor 'a' is told twice"));
  CHECK(says(with("\"shape\":[1]", "\"shape\":[1],\"shape\":[1]"), "tensor 'b' has two shapes"));
  CHECK(says(with("\"shape\":[1],", ""), "tensor 'b' lacks its dtype, shape or data_offsets"));
  CHECK(says(with("\"shape\":[1]", "\"shape\":[1],\"color\":\"red\""), "tensor 'b' has a member 'color'"));
  CHECK(says(with("[8,12]", "[8]"), "tensor 'b' has data_offsets that are not two numbers"));
  CHECK(says(refusal(safetensors(two, two_data + "1234")), "its tensors end at byte 12, but the file has 16 bytes"));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CHECK(says(refusal(safetensors(two, floats({1, bad, 2}))), "tensor 'a' is no finite number at element 1"));
  }
  // A name cannot talk to a terminal, nor fill it.
  const std::string loud =
      refusal(safetensors("{" + entry("\\u001b[2J" + std::string(5000, 'x'), "F32", "[1]", 0, 4) + "}"));
  CHECK(loud.find('\x1b') == std::string::npos);
  CHECK(loud.size() < 400);
}

TEST_CASE("what is no such file at all is refused", "[hstu]")
{
  CHECK(says(refusal(""), "it is too short for a safetensors file: 0 bytes"));
  CHECK(says(refusal("1234567"), "too short"));
  CHECK(says(refusal(little_endian(3, 8) + "{}"), "its header has 3 bytes by its own account, but the file has 10"));
  CHECK(says(refusal(little_endian(std::uint64_t{1} << 63, 8) + "{}"), "9223372036854775808 bytes by its own account"));
  CHECK(says(refusal(safetensors("")), "'{' is expected at byte 0"));
  CHECK(says(refusal(safetensors("[]")), "'{' is expected at byte 0"));
  CHECK(says(refusal(safetensors("{} {}")), "its header goes on behind its end"));
  CHECK(says(refusal(safetensors("{\"a\":3}")), "'{' is expected at byte 5"));
  CHECK(says(refusal(safetensors("{\"a\\q\":3}")), "an escape of JSON is expected"));
  CHECK(says(refusal(safetensors("{\"a\\u12\":3}")), "a hexadecimal digit is expected"));
  CHECK(says(refusal(safetensors("{\"__metadata__\":{\"a\":{}}}")), "is expected at byte"));
  CHECK(says(refusal(safetensors(std::string(100'000, '{'))), "is expected at byte 1"));
  CHECK(refusal(safetensors("{}")).empty());
  hstu::safetensors_limits narrow;
  narrow.tensors = 1;
  narrow.header_bytes = 200;
  const temporary_file file(safetensors(two, two_data));
  CHECK(says(kvstrata_test::sentence_of<kvstrata::data_error>([&] { hstu::safetensors_file(file.path(), narrow); }),
             "it has more than 1 tensors"));
  narrow.header_bytes = 20;
  CHECK(says(kvstrata_test::sentence_of<kvstrata::data_error>([&] { hstu::safetensors_file(file.path(), narrow); }),
             "and may have 20"));
  CHECK_THROWS_AS(hstu::safetensors_file("/nowhere/at/all"), kvstrata::data_error);
  CHECK_THROWS_AS(hstu::safetensors_file(std::filesystem::temp_directory_path()), kvstrata::data_error);
}

TEST_CASE("a header cut or changed anywhere is refused or read, and takes no more memory than it is long", "[hstu]")
{
  generator random(77);
  const std::string header = "{\"__metadata__\":{\"k\":\"v\\u00e9\"}," + two.substr(1);
  for (int round = 0; round < 4000; ++round) {
    std::string text = header;
    for (std::uint32_t changes = 1 + below(random, 3); changes > 0 && !text.empty(); --changes) {
      const std::size_t at = below(random, static_cast<std::uint32_t>(text.size()));
      const std::string_view some = "{}[]\":,\\0123456789uF\x01 ";
      switch (below(random, 3)) {
        case 0: text.resize(at); break;
        case 1: text[at] = some[below(random, static_cast<std::uint32_t>(some.size()))]; break;
        default: text.insert(at, 1, some[below(random, static_cast<std::uint32_t>(some.size()))]); break;
      }
    }
    try {
      const hstu::safetensors_header read = hstu::parse_safetensors(text, 12, "f");
      std::uint64_t bytes = 0;
      for (const hstu::tensor_entry& t : read.tensors) bytes += t.bytes();
      CHECK(bytes == 12);
    } catch (const kvstrata::data_error&) {
    }
  }
}

// Reads headers and model files that anybody may have written: any bytes, or a good file of which some were changed or cut.
// It is refused with a sentence that names the file, or it is a model of the sizes that it says.
#include "fuzz/fuzz.hpp"

#include "hstu/model_file.hpp"

#include <kvstrata/core/error.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

using kvstrata_test::fuzz_input;
using kvstrata_test::require;

const std::filesystem::path& scratch()
{
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kvstrata_fuzz_model_" + std::to_string(::getpid()));
  return path;
}

hstu::config tiny()
{
  hstu::config c;
  c.layers = 2;
  c.hidden = 3;
  c.heads = 2;
  c.head_dim = 1;
  c.items = 2;
  c.actions = 1;
  c.tasks = 1;
  c.max_tokens = 3;
  c.position_buckets = 2;
  c.time_buckets = 1;
  c.ids = hstu::item_ids::rows;
  return c;
}

/// The bytes of a small model, with a head of layers in every other one.
std::string good_file(bool with_list)
{
  hstu::weights w = hstu::random_weights(tiny());
  if (with_list) {
    w.head_in.clear();
    w.head_out.clear();
    w.head.push_back({.norm = hstu::normalisation::l2, .outputs = 2, .linear = std::vector<float>(6, 0.5f)});
    w.head.push_back({.outputs = 1, .linear = {1, 2}, .bias = {3}});
  }
  hstu::write_model(scratch(), tiny(), w);
  std::ifstream in(scratch(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string text_of(std::span<const std::byte> bytes)
{
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void read_header(fuzz_input& input)
{
  const auto data_bytes = input.number<std::uint64_t>();
  const std::string text = text_of(input.rest());
  try {
    const hstu::safetensors_header header = hstu::parse_safetensors(text, data_bytes, "the file");
    std::uint64_t end = 0;
    for (const hstu::tensor_entry& t : header.tensors) {
      require(t.begin == end && t.end >= t.begin, "tensors lie one behind the other");
      end = t.end;
    }
    require(end == data_bytes, "and fill the file");
  } catch (const kvstrata::data_error& e) {
    require(std::string(e.what()).rfind("the file: ", 0) == 0, "a refusal names the file");
  }
}

void read_changed(fuzz_input& input)
{
  static const std::string plain = good_file(false);
  static const std::string listed = good_file(true);
  std::string bytes = input.choice(2) == 0 ? plain : listed;
  const std::uint64_t header = static_cast<unsigned char>(bytes[0]) + 256u * static_cast<unsigned char>(bytes[1]);
  while (!input.is_over()) {
    const std::size_t where = input.number<std::uint16_t>();
    const auto with = static_cast<char>(input.number<std::uint8_t>());
    const std::size_t at = (where / 4) % (where % 8 < 4 ? 8 + header : bytes.size());
    switch (where % 4) {
      case 0: bytes[(std::min)(at, bytes.size() - 1)] = with; break;
      case 1: bytes.insert((std::min)(at, bytes.size()), 1, with); break;
      case 2: bytes.erase((std::min)(at, bytes.size() - 1), 1); break;
      default: bytes.resize((std::max)(std::size_t{9}, bytes.size() - static_cast<unsigned char>(with) % 16)); break;
    }
    if (bytes.size() < 10) break;
  }
  std::ofstream(scratch(), std::ios::binary | std::ios::trunc) << bytes;
  try {
    const hstu::trained_model m = hstu::read_model(scratch());
    check(m.options, m.parameters);  // throws where it is of other sizes
  } catch (const kvstrata::data_error& e) {
    require(std::string(e.what()).rfind(scratch().string() + ": ", 0) == 0, "a refusal names the file");
  }
  std::filesystem::remove(scratch());
}

}  // namespace

void kvstrata_test::fuzz(std::span<const std::byte> bytes)
{
  fuzz_input input(bytes);
  if (input.choice(2) == 0) read_header(input);
  else read_changed(input);
}

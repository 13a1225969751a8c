#include "hstu/model_file.hpp"

#include "hstu/model_tensors.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <locale>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hstu {
namespace {

std::string shape_text(const std::vector<std::uint64_t>& shape)
{
  std::string out;
  for (const std::uint64_t size : shape) out += "[" + std::to_string(size) + "]";
  return out.empty() ? "a single number" : out;
}

class model_reader
{
 public:
  model_reader(const std::filesystem::path& path, const safetensors_limits& limits) : file_(path, limits)
  {
    for (const tensor_entry& t : file_.tensors()) by_name_.emplace(t.name, &t);
  }

  trained_model read()
  {
    trained_model out;
    config& c = out.options;
    c.ids = item_ids::rows;
    take_shapes(c);
    visit_fields(c, [this](const char* key, auto& value) { take_metadata(key, value); });
    try {
      check(c);
    } catch (const kvstrata::config_error& e) {
      fail(std::string("it is no model's: ") + e.what());
    }
    if (c.layers > by_name_.size()) fail("it lacks tensors of its " + std::to_string(c.layers) + " layers");
    out.parameters.layers.resize(c.layers);
    take_head(out.parameters.head);

    // Nothing is read before all of it is known to be right.
    std::vector<std::pair<const tensor_entry*, std::vector<float>*>> wanted;
    std::set<std::string_view> known;
    visit_tensors(c, out.parameters,
                  [&](const std::string& name, const std::vector<std::uint64_t>& shape, std::vector<float>& values,
                      bool optional) {
                    const tensor_entry* const found = find(name);
                    if (found == nullptr) {
                      if (!optional) fail("it lacks the tensor '" + name + "', " + shape_text(shape));
                      return;
                    }
                    if (found->shape != shape) {
                      file_.refuse(name,
                                   "is " + shape_text(found->shape) + ", but the model's is " + shape_text(shape));
                    }
                    known.insert(found->name);
                    wanted.emplace_back(found, &values);
                  });
    for (const tensor_entry& t : file_.tensors()) {
      if (!known.contains(t.name)) {
        file_.refuse(t.name.substr(0, 120), "is none that the model knows (hstu/model_file.hpp lists them)");
      }
    }
    for (const auto& [tensor, values] : wanted) *values = file_.floats(*tensor);
    check(c, out.parameters);
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw kvstrata::data_error(file_.name(), 0, why); }
  [[noreturn]] void bad_metadata(const std::string& key, const std::string& value, const std::string& wanted) const
  {
    fail("its metadata says " + key + " = '" + value.substr(0, 40) + "', but it must be " + wanted);
  }

  [[nodiscard]] const tensor_entry* find(const std::string& name) const
  {
    const auto at = by_name_.find(name);
    return at == by_name_.end() ? nullptr : at->second;
  }

  /// A size of a matrix; `otherwise` where there is no such matrix.
  [[nodiscard]] std::uint32_t size(const std::string& name, std::size_t axis, std::uint32_t otherwise) const
  {
    const tensor_entry* const t = find(name);
    if (t == nullptr) return otherwise;
    if (t->shape.size() != 2) file_.refuse(name, "is " + shape_text(t->shape) + ", but must be a matrix");
    return static_cast<std::uint32_t>((std::min)(t->shape[axis], std::uint64_t{0xffffffff}));
  }

  /// What of a config follows from shapes.
  void take_shapes(config& c) const
  {
    c.layers = 0;
    while (find("layers." + std::to_string(c.layers) + ".project") != nullptr) ++c.layers;
    c.hidden = size("layers.0.project", 0, c.hidden);
    c.items = size("items", 0, c.items);
    c.actions = size("actions", 0, c.actions);
    const std::uint32_t positions = size("positions", 0, c.max_tokens + 1);
    c.max_tokens = positions == 0 ? 0 : positions - 1;
    c.position_buckets = size("layers.0.position_bias", 1, 0);
    c.time_buckets = size("layers.0.time_bias", 1, 0);
    c.heads = size("layers.0.position_bias", 0, size("layers.0.time_bias", 0, 1));
    const std::string* const told = file_.metadata("heads");
    if (told != nullptr) take_metadata("heads", c.heads);
    const std::uint32_t columns = size("layers.0.project", 1, 4);
    if (c.heads != 0) c.head_dim = columns / 4 / c.heads;
    c.tasks = size("head_out", 1, 0);
    for (std::size_t i = 0; find("head." + std::to_string(i) + ".linear") != nullptr; ++i) {
      c.tasks = size("head." + std::to_string(i) + ".linear", 1, 0);
    }
  }

  void take_head(std::vector<head_layer>& head) const
  {
    for (std::size_t i = 0; find("head." + std::to_string(i) + ".linear") != nullptr; ++i) {
      const std::string name = "head." + std::to_string(i);
      head_layer layer;
      layer.outputs = size(name + ".linear", 1, 0);
      take_metadata(name + ".norm", layer.norm);
      take_metadata(name + ".activation", layer.after);
      head.push_back(std::move(layer));
    }
  }

  template <class T>
  void take_metadata(const std::string& key, T& value) const
  {
    const std::string* const text = file_.metadata(key);
    if (text == nullptr) return;
    if constexpr (std::is_enum_v<T>) {
      const auto& words = words_of<T>;
      const auto at = std::find(std::begin(words), std::end(words), *text);
      if (at == std::end(words)) {
        std::string all;
        for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
        bad_metadata(key, *text, "one of " + all);
      }
      value = static_cast<T>(at - std::begin(words));
    } else {
      // Not from_chars: not every standard library has it for floats. '-' is none of a number without a sign.
      std::istringstream in(*text);
      in.imbue(std::locale::classic());
      const bool signed_away = std::is_unsigned_v<T> && text->find('-') != std::string::npos;
      if (signed_away || !(in >> value) || in.peek() != std::istringstream::traits_type::eof()) {
        bad_metadata(key, *text, std::is_floating_point_v<T> ? "a number" : "a whole number of 32 bits");
      }
    }
  }

  safetensors_file file_;
  std::map<std::string_view, const tensor_entry*, std::less<>> by_name_;
};

std::string little_endian(std::uint64_t value, int bytes)
{
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

// Names and words of ours need no escapes.
template <class T>
std::string metadata_text(const T& value)
{
  if constexpr (std::is_enum_v<T>) {
    return std::string(words_of<T>[static_cast<std::size_t>(value)]);
  } else {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.precision(9);
    out << value;
    return out.str();
  }
}

}  // namespace

trained_model read_model(const std::filesystem::path& path, const safetensors_limits& limits)
{
  return model_reader(path, limits).read();
}

void write_model(const std::filesystem::path& path, const config& c, const weights& w)
{
  check(c);
  check(c, w);
  std::string header = "{\"__metadata__\":{\"format\":\"kvstrata hstu\"";
  const auto say = [&header](const std::string& key, const std::string& value) {
    header += ",\"" + key + "\":\"" + value + "\"";
  };
  visit_fields(c, [&say](const char* key, const auto& value) { say(key, metadata_text(value)); });
  for (std::size_t i = 0; i < w.head.size(); ++i) {
    say("head." + std::to_string(i) + ".norm", metadata_text(w.head[i].norm));
    say("head." + std::to_string(i) + ".activation", metadata_text(w.head[i].after));
  }
  header += "}";
  std::uint64_t end = 0;
  std::vector<const std::vector<float>*> all;
  visit_tensors(
      c, w,
      [&](const std::string& name, const std::vector<std::uint64_t>& shape, const std::vector<float>& values, bool) {
        if (values.empty()) return;
        const std::uint64_t begin = end;
        end += values.size() * sizeof(float);
        header += ",\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[";
        for (std::size_t i = 0; i < shape.size(); ++i) {
          header += (i == 0 ? "" : ",") + std::to_string(shape[i]);
        }
        header += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
        all.push_back(&values);
      });
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << little_endian(header.size(), 8) << header;
  std::string piece;
  for (const std::vector<float>* values : all) {
    for (std::size_t done = 0; done < values->size(); done += piece.size() / sizeof(float)) {
      piece.clear();
      const std::size_t count = (std::min)(values->size() - done, std::size_t{1} << 16);
      for (std::size_t i = 0; i < count; ++i) {
        piece += little_endian(std::bit_cast<std::uint32_t>((*values)[done + i]), 4);
      }
      out << piece;
    }
  }
  out.flush();
  if (!out) throw kvstrata::data_error(path.string(), 0, "it cannot be written");
}

}  // namespace hstu

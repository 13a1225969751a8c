// What is sent to a server and what it answers, one key each: so that a slot that moves never leaves a command without one.
#pragma once

#include <kvstrata/tiers/redis/format/value_head.hpp>
#include <kvstrata/tiers/redis/io/connection.hpp>
#include <kvstrata/tiers/redis/topology/redirect.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct command
{
  enum class state : std::uint8_t {
    open,
    done,
    missing,  ///< there is no such key
    foreign,  ///< what is there is not what was expected
    older,    ///< it was put before
    damaged,  ///< it has another checksum
    redirected,
    refused,
  };

  state is = state::open;
  refusal_reply refused{};

  command() = default;
  command(const command&) = delete;
  command& operator=(const command&) = delete;
  virtual ~command() = default;

  /// Called before it is sent, and before it is asked anything; again where it is sent again.
  virtual void prepare() {}
  /// Bytes that it, or its answer, takes on the way.
  [[nodiscard]] virtual std::uint64_t bytes() const noexcept = 0;
  /// Adds what is to be sent; it stays as it is until it has been.
  virtual void append(std::vector<::iovec>& to) = 0;
  /// Reads the answer. Returns bytes that were copied.
  std::size_t read(connection& from, const time_limit& limit)
  {
    const reply_line line = from.read_line(limit);
    if (line.type != '-') return take(line, from, limit);
    refused = read_refusal(line.text, from.where());
    const bool goes_on = refused.why == refusal::moved || refused.why == refusal::ask;
    is = goes_on ? state::redirected : state::refused;
    return 0;
  }

 protected:
  virtual std::size_t take(const reply_line& line, connection& from, const time_limit& limit) = 0;
};

/// Any words, and an answer that is a line, or a text of bounded length.
struct small_command : command
{
  std::string words;
  std::size_t most_text = 64;
  std::int64_t number = 0;
  std::string text;  ///< of what it answers, also of an array's parts, one behind the other with a space

  small_command() = default;
  small_command(std::initializer_list<std::string_view> what, std::size_t most) : most_text(most)
  {
    add_words(words, what);
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept override { return words.size() + most_text; }
  void append(std::vector<::iovec>& to) override { to.push_back(part_of(words)); }

 protected:
  std::size_t take(const reply_line& line, connection& from, const time_limit& limit) override
  {
    is = state::done;
    number = line.number;
    switch (line.type) {
      case '+': text = line.text; break;
      case '$': take_text(line.number, from, limit); break;
      case '*':
        if (line.number > 8) from.fail("it answers with a longer list than was asked for");
        for (std::int64_t i = line.number; i > 0; --i) {
          const reply_line part = from.read_line(limit);
          if (part.type != '$') from.fail("it answers with a list of what was not asked for");
          take_text(part.number, from, limit);
          text += ' ';
        }
        break;
      default: break;
    }
    return 0;
  }

 private:
  void take_text(std::int64_t length, connection& from, const time_limit& limit)
  {
    if (length < 0) {
      is = state::missing;
      return;
    }
    if (static_cast<std::uint64_t>(length) > most_text) {
      if (static_cast<std::uint64_t>(length) > (1U << 20U)) from.fail("a value is longer than any should be");
      is = state::foreign;
      return from.skip_body(static_cast<std::uint64_t>(length), limit);
    }
    const std::size_t begin = text.size();
    text.resize(begin + static_cast<std::size_t>(length));
    std::vector<::iovec> parts{{text.data() + begin, static_cast<std::size_t>(length)}};
    static_cast<void>(from.read_body(parts, limit));
  }
};

/// SET of a value: its head, and its body from where it lies.
struct set_value : command
{
  std::string key;
  std::string words;
  std::array<std::byte, value_head_bytes> head;
  std::vector<::iovec> body;
  std::uint64_t body_bytes = 0;
  std::vector<std::byte> code;  ///< what the body is, where it is encoded

  [[nodiscard]] std::uint64_t bytes() const noexcept override { return words.size() + head.size() + body_bytes; }
  void append(std::vector<::iovec>& to) override
  {
    to.push_back(part_of(words));
    to.push_back({head.data(), head.size()});
    to.insert(to.end(), body.begin(), body.end());
    to.push_back(part_of("\r\n"));
  }
  /// When the body is there.
  void name()
  {
    words.clear();
    add_words(words, {"SET", key}, 1);
    words += '$' + std::to_string(head.size() + body_bytes) + "\r\n";
  }

 protected:
  std::size_t take(const reply_line& line, connection& from, const time_limit& /*limit*/) override
  {
    if (line.type != '+') from.fail("it answers to SET with what is no answer");
    is = state::done;
    code = {};
    return 0;
  }
};

/// GET of a value: it is checked before memory is written, and after.
struct get_value : command
{
  std::string words;
  value_head expected;  ///< of an encoded body the most bytes
  std::vector<::iovec>
      body;  ///< where it goes, in its order; a part without memory is not wanted. Not of an encoded one
  std::vector<std::byte> code;  ///< an encoded body, which comes into memory of its own
  std::uint32_t layer = 0;

  [[nodiscard]] std::uint64_t bytes() const noexcept override { return words.size() + length(); }
  void append(std::vector<::iovec>& to) override { to.push_back(part_of(words)); }

 protected:
  /// At most, of an encoded one.
  [[nodiscard]] std::uint64_t length() const noexcept { return value_head_bytes + std::uint64_t{expected.bytes}; }
  [[nodiscard]] bool may_be_long(std::uint64_t length_there) const noexcept
  {
    if (expected.codec == 0) return length_there == length();
    return length_there > value_head_bytes && length_there <= length();
  }

  std::size_t take(const reply_line& line, connection& from, const time_limit& limit) override
  {
    if (line.type != '$') from.fail("it answers to GET with what is no answer");
    if (line.number < 0) {
      is = state::missing;
      return 0;
    }
    const auto length_there = static_cast<std::uint64_t>(line.number);
    if (!may_be_long(length_there)) {
      if (length_there > 2 * length()) from.fail("a value is longer than any should be");
      is = state::foreign;
      from.skip_body(length_there, limit);
      return 0;
    }
    std::array<std::byte, value_head_bytes> head;
    std::size_t copied = from.read_part(head, limit);
    const auto found = decode_value_head(head);
    const std::uint64_t body_there = length_there - value_head_bytes;
    if (!found || !is_expected(*found, expected) || found->bytes != body_there) {
      is = found && found->key == expected.key && found->number < expected.number ? state::older : state::foreign;
      from.skip_body(body_there, limit);
      return copied;
    }
    if (expected.codec != 0) {
      code.resize(static_cast<std::size_t>(body_there));
      body.assign(1, {code.data(), code.size()});
    }
    std::size_t unwanted = 0;
    for (const ::iovec& part : body) {
      if (part.iov_base == nullptr) unwanted += part.iov_len;
    }
    std::byte* away = unwanted != 0 ? from.scratch(unwanted) : nullptr;
    for (::iovec& part : body) {
      if (part.iov_base != nullptr) continue;
      part.iov_base = away;
      away += part.iov_len;
    }
    std::vector<::iovec> parts = body;
    copied += from.read_body(parts, limit);
    std::uint32_t crc = stores::crc_start;
    for (const ::iovec& part : body)
      crc = stores::crc32c({static_cast<const std::byte*>(part.iov_base), part.iov_len}, crc);
    is = crc == found->crc ? state::done : state::damaged;
    return copied;
  }
};

}  // namespace kvstrata::redis

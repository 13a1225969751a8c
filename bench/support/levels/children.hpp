// Programs that are run and listened to.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace levels {

struct outcome
{
  int status = -1;   ///< 0 when all went well
  std::string said;  ///< on both of its outputs
};

/// Through the shell; blocks until it has ended.
[[nodiscard]] inline outcome run(const std::string& command)
{
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  outcome out;
  std::array<char, 4096> piece;
  while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) out.said += piece.data();
  out.status = ::pclose(pipe);
  return out;
}

/// What it said; throws unless all went well.
[[nodiscard]] inline std::string said_by(const std::string& command)
{
  outcome out = run(command);
  if (out.status != 0) throw std::runtime_error("this command failed: " + command + "\n" + out.said);
  return std::move(out.said);
}

[[nodiscard]] inline std::string quoted(const std::string& word)
{
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// A program that answers lines with lines. Ends when its input does: in the destructor, which waits for it.
class answering_child
{
 public:
  explicit answering_child(std::vector<std::string> command)
  {
    int to[2], from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("no process can be made");
    if (pid_ == 0) {
      ::dup2(to[0], 0);
      ::dup2(from[1], 1);
      std::vector<char*> words;
      for (std::string& word : command) words.push_back(word.data());
      words.push_back(nullptr);
      ::execv(words[0], words.data());
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    input_ = ::fdopen(to[1], "w");
    output_ = ::fdopen(from[0], "r");
    name_ = command.front();
  }
  answering_child(const answering_child&) = delete;
  answering_child& operator=(const answering_child&) = delete;
  ~answering_child()
  {
    std::fclose(input_);
    std::fclose(output_);
    ::waitpid(pid_, nullptr, 0);
  }

  /// Blocks for the next line. Throws when there is none.
  [[nodiscard]] std::string hear()
  {
    std::array<char, 256> line;
    if (std::fgets(line.data(), line.size(), output_) == nullptr) throw std::runtime_error(name_ + " fell silent");
    return line.data();
  }
  [[nodiscard]] std::string ask(const std::string& line)
  {
    std::fputs((line + "\n").c_str(), input_);
    std::fflush(input_);
    return hear();
  }

 private:
  pid_t pid_ = 0;
  std::FILE* input_ = nullptr;
  std::FILE* output_ = nullptr;
  std::string name_;
};

}  // namespace levels

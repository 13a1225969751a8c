// Puts a page together: a template, values, and what keeps values from being taken for markup.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replay {

/// Puts values where the template says {{name}}. One pass: what a value contains is never looked at again.
[[nodiscard]] inline std::string fill_page(std::string_view page,
                                           const std::vector<std::pair<std::string_view, std::string>>& values)
{
  std::string out;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t open = page.find("{{", at);
    const std::size_t close = open == std::string_view::npos ? open : page.find("}}", open);
    if (close == std::string_view::npos) {
      out.append(page.substr(at));
      break;
    }
    out.append(page.substr(at, open - at));
    const std::string_view name = page.substr(open + 2, close - open - 2);
    for (const auto& value : values) {
      if (value.first == name) out.append(value.second);
    }
    at = close + 2;
  }
  return out;
}

/// JSON that cannot end the script element it stands in.
[[nodiscard]] inline std::string script_text(const std::string& json)
{
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') out += "\\u003c";
    else out += c;
  }
  return out;
}

/// Text that is safe inside an element and inside a quoted attribute.
[[nodiscard]] inline std::string escape_html(std::string_view text)
{
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

/// Text in an element.
[[nodiscard]] inline std::string element(std::string_view name, const std::string& text,
                                         std::string_view attributes = {})
{
  std::string out = "<" + std::string(name);
  if (!attributes.empty()) out.append(" ").append(attributes);
  return out + ">" + escape_html(text) + "</" + std::string(name) + ">";
}

/// Of every page: from its doctype to what it is about. The header is open, so that more may go there.
[[nodiscard]] inline std::string page_head(std::string_view css, const std::string& kicker, const std::string& headline,
                                           const std::string& lead)
{
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n" +
         element("title", headline) + "\n<style>\n" + std::string(css) +
         "</style>\n</head>\n<body>\n<main>\n\n<header>\n" + element("p", kicker, "class=\"kicker\"") + '\n' +
         element("h1", headline) + '\n' + element("p", lead, "class=\"lead\"");
}

}  // namespace replay

// Error codes of JSON-RPC and MCP that this library sends. Codes of the host's own lie outside
// -32768..-32000.
#pragma once

namespace steward::mcp {

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;
inline constexpr int kMissingCapability = -32021;
inline constexpr int kUnsupportedVersion = -32022;

}  // namespace steward::mcp

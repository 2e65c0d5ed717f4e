"""Errors of the package store and of upgrades (4xxx from 4030; the package format has those before)."""

from __future__ import annotations

from sysmgr.errors import BadRequest, SysmgrError


class NoCurrentPackage(SysmgrError):
    scode = 4030
    status = 404
    message = "No upgrade has succeeded here yet, and no stored package has the version that the hosts report."
    message_cn = "尚无成功的升级，且没有与主机当前版本一致的升级包。"
    next_step = "See /v1/system/upgrade_package/list for the packages at hand."
    next_step_cn = "可通过 /v1/system/upgrade_package/list 查看现有升级包。"


class PackageExists(SysmgrError):
    scode = 4031
    status = 409
    message = "The store has another package {name}: its digest differs."
    message_cn = "已存在同名升级包 {name}，但摘要不同。"
    next_step = "Give the new package a version of its own."
    next_step_cn = "请为新升级包使用新的版本号。"


class NoSpaceForPackage(SysmgrError):
    scode = 4032
    status = 507
    message = "The disk is too full to take the package in."
    message_cn = "磁盘空间不足，无法接收升级包。"
    next_step = "Free space below the data directory and send it again."
    next_step_cn = "请清理数据目录所在磁盘后重试。"


class PackageNameWrong(BadRequest):
    message = "The file is named {name}, but the package inside is {expected}."
    message_cn = "文件名为 {name}，但其中的升级包为 {expected}。"
    next_step = "Send it under its own name."
    next_step_cn = "请使用正确的文件名。"
